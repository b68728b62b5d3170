# What R says of the cohorts that references.py writes: limma, lme4, vegan and coin.
suppressMessages({library(limma); library(lme4); library(vegan); library(coin); library(jsonlite)})
folder <- commandArgs(TRUE)[1]
read <- function(name) as.matrix(read.csv(file.path(folder, name), header = FALSE))
about <- read.csv(file.path(folder, "samples.csv"))
y <- read("values.csv")
found <- list(versions = sapply(c("limma", "lme4", "vegan", "coin"), simplify = FALSE,
                                function(name) as.character(packageVersion(name))))

# Genes, without random effects: limma's moderated t.
design <- model.matrix(~ age + case, about)
fit <- eBayes(lmFit(t(y), design))
found$limma <- list(t = unname(fit$t[, "case"]), p = unname(fit$p.value[, "case"]),
                    df = unname(fit$df.total))

# One gene at a time, a random donor: restricted maximum likelihood.
of_gene <- function(gene) {
  fit <- lmer(y[, gene] ~ age + case + (1 | donor), about, REML = TRUE)
  variances <- as.data.frame(VarCorr(fit))
  c(ratio = variances$vcov[1] / variances$vcov[2],
    unname(coef(summary(fit))["case", c("Estimate", "t value")]))
}
found$lme4 <- suppressMessages(unname(t(sapply(1:20, of_gene))))

# Three levels: F of limma, and of one gene at a time with a random donor.
design <- model.matrix(~ age + level, about)
found$limma_f <- topTable(eBayes(lmFit(t(y), design)), coef = 3:4, number = Inf, sort.by = "none")$F
f_of_gene <- function(gene)
  anova(lmer(y[, gene] ~ age + level + (1 | donor), about, REML = TRUE))["level", "F value"]
found$lme4_f <- suppressMessages(sapply(1:20, f_of_gene))

# The map: positions, spread.
distances <- dist(read("places.csv"))
spread <- betadisper(distances, factor(about$case), type = "median")
set.seed(1)
place <- adonis2(distances ~ case, about, permutations = 9999)
found$vegan <- list(permanova = c(place$F[1], place$`Pr(>F)`[1]),
                    permdisp = c(anova(spread)$`F value`[1],
                                 permutest(spread, permutations = 9999)$tab$`Pr(>F)`[1]))

# Wilcoxon's test within donors, all arrangements.
about$block <- factor(about$donor)
about$group <- factor(about$case)
exact <- function(gene) {
  about$value <- rank(y[, gene])
  pvalue(independence_test(value ~ group | block, about, distribution = approximate(99999)))
}
set.seed(1)
found$coin <- sapply(1:10, exact)
writeLines(toJSON(found, digits = 12, auto_unbox = TRUE), file.path(folder, "found.json"))
