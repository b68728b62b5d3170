"""Methods of network inference: cells in, weights of all pairs of genes out."""
