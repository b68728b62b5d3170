# Lets `snakemake` start from the clone; the study itself is in workflow/.
include: "workflow/Snakefile"


rule default:
    default_target: True
    input:
        rules.all.input,
