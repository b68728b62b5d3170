# Tests of all levels of a categorical phenotype together.


def with_levels():
    """Return a contrast of every categorical phenotype of three levels or more, by its safe name."""
    if presets.PRESETS[config["preset"]].unit != "donor":
        return {}
    several = [one for one in cohort.phenotypes if one.source and len(one.levels) > 2]
    # A contrast has the values of all samples.
    return {safe_name(one.source): one for one in reversed(several)}


def values_of_levels(wildcards):
    """Return the table of a categorical phenotype's values: that of one of its contrasts."""
    contrast = with_levels()[wildcards.phenotype]
    return f"<results>/study/phenotypes/{safe_name(contrast.name)}.tsv"


def levels_params(wildcards):
    """Return the levels of a categorical phenotype, and the column of its values."""
    contrast = with_levels()[wildcards.phenotype]
    return {"name": contrast.name, "levels": list(contrast.levels)}
