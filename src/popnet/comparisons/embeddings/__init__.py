"""Methods of dimension reduction: cells in, scores and loadings out."""
