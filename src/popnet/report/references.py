"""What the methods cite."""

REFERENCES = {
    "sivae": "Choi Y, Li R, Quon G. siVAE: interpretable deep generative models for single-cell "
    "transcriptomes. Genome Biology 24 (2023). doi:10.1186/s13059-023-02850-y",
    "snakemake": "Mölder F et al. Sustainable data analysis with Snakemake. F1000Research 10:33 "
    "(2021). doi:10.12688/f1000research.29032",
    "csn": "Su C et al. Cell-type-specific co-expression inference from single cell "
    "RNA-sequencing data. Nature Communications 14 (2023). doi:10.1038/s41467-023-40503-7",
    "clr": "Faith JJ et al. Large-scale mapping and validation of Escherichia coli transcriptional "
    "regulation from a compendium of expression profiles. PLoS Biology 5:e8 (2007). "
    "doi:10.1371/journal.pbio.0050008",
    "mrnet": "Meyer PE et al. Information-theoretic inference of large transcriptional regulatory "
    "networks. EURASIP Journal on Bioinformatics and Systems Biology (2007). "
    "doi:10.1155/2007/79879",
    "aracne": "Margolin AA et al. ARACNE: an algorithm for the reconstruction of gene regulatory "
    "networks in a mammalian cellular context. BMC Bioinformatics 7:S7 (2006). "
    "doi:10.1186/1471-2105-7-S1-S7",
    "varimax": "Kaiser HF. The varimax criterion for analytic rotation in factor analysis. "
    "Psychometrika 23:187-200 (1958). doi:10.1007/BF02289233",
    "leiden": "Traag VA, Waltman L, van Eck NJ. From Louvain to Leiden: guaranteeing "
    "well-connected communities. Scientific Reports 9:5233 (2019). "
    "doi:10.1038/s41598-019-41695-z",
    "icc": "Shrout PE, Fleiss JL. Intraclass correlations: uses in assessing rater reliability. "
    "Psychological Bulletin 86:420-428 (1979). doi:10.1037/0033-2909.86.2.420",
    "limma": "Smyth GK. Linear models and empirical Bayes methods for assessing differential "
    "expression in microarray experiments. Statistical Applications in Genetics and Molecular "
    "Biology 3 (2004). doi:10.2202/1544-6115.1027",
    "rotation": "Langsrud Ø. Rotation tests. Statistics and Computing 15:53-60 (2005). "
    "doi:10.1007/s11222-005-4789-5",
    "gsea": "Subramanian A et al. Gene set enrichment analysis. PNAS 102:15545-15550 (2005). "
    "doi:10.1073/pnas.0506580102",
    "fdr": "Benjamini Y, Hochberg Y. Controlling the false discovery rate. Journal of the Royal "
    "Statistical Society B 57:289-300 (1995). doi:10.1111/j.2517-6161.1995.tb02031.x",
    "families": "Benjamini Y, Bogomolov M. Selective inference on multiple families of hypotheses. "
    "Journal of the Royal Statistical Society B 76:297-318 (2014). doi:10.1111/rssb.12028",
}
