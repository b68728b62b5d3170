"""Networks of bins and samples: centrality, edges, kernels and their reliability."""
