"""The compared methods by name, with one line and one module each.

The workflow imports this module whenever it is parsed; therefore it imports nothing.
"""

# Full names "module:function", which `popnet.provenance` follows like imports. The functions of a
# table have the same signature:
# embed(cells, heldout, training, seed) -> Embedding
EMBEDDINGS: dict[str, str] = {
    "pca": "popnet.comparisons.embeddings.components:pca",
    "vae": "popnet.comparisons.embeddings.sivae:vae",
    "sivae": "popnet.comparisons.embeddings.sivae:sivae",
    "sivae-gamma0": "popnet.comparisons.embeddings.sivae:sivae_gamma0",
    "sivae-linear": "popnet.comparisons.embeddings.sivae:sivae_linear",
    "sivae-nb": "popnet.comparisons.embeddings.sivae:sivae_nb",
    "sivae-batch": "popnet.comparisons.embeddings.sivae:sivae_batch",
    "vae-linear": "popnet.comparisons.embeddings.sivae:vae_linear",
    "scvi": "popnet.comparisons.embeddings.scvi_tools:scvi",
    "ldvae": "popnet.comparisons.embeddings.scvi_tools:ldvae",
    "scetm": "popnet.comparisons.embeddings.scetm:scetm",
}
# explain(explained) -> ndarray (n_genes, latent)
INTERPRETATIONS: dict[str, str] = {
    "loadings": "popnet.comparisons.interpretations.loadings:explain",
    "saliency": "popnet.comparisons.interpretations.gradients:saliency",
    "gradient-input": "popnet.comparisons.interpretations.gradients:gradient_input",
    "saliency-forward": "popnet.comparisons.interpretations.gradients:saliency_forward",
    "gradient-input-forward": "popnet.comparisons.interpretations.gradients:gradient_input_forward",
    "deeplift": "popnet.comparisons.interpretations.deeplift:explain",
    "integrated-gradients": "popnet.comparisons.interpretations.integrated_gradients:explain",
    "shapley": "popnet.comparisons.interpretations.shapley:explain",
    "gene-relevance": "popnet.comparisons.interpretations.gene_relevance:explain",
    "gene-relevance-10": "popnet.comparisons.interpretations.gene_relevance:explain_10",
    "gene-relevance-100": "popnet.comparisons.interpretations.gene_relevance:explain_100",
    "gene-relevance-1000": "popnet.comparisons.interpretations.gene_relevance:explain_1000",
    "encoder-saliency": "popnet.comparisons.interpretations.gradients:encoder_saliency",
    "encoder-gradient-input": "popnet.comparisons.interpretations.gradients:encoder_gradient_input",
    "encoder-deeplift": "popnet.comparisons.interpretations.deeplift:encoder",
}
# infer(cells, training, seed) -> ndarray (n_genes, n_genes)
NETWORKS: dict[str, str] = {
    "correlation": "popnet.comparisons.networks.correlation:correlation",
    "cs-core": "popnet.comparisons.networks.cs_core:cs_core",
    "clr": "popnet.comparisons.networks.information:clr",
    "mrnet": "popnet.comparisons.networks.information:mrnet",
    "aracne": "popnet.comparisons.networks.information:aracne",
    "grnboost2": "popnet.comparisons.networks.boosting:grnboost2",
    "ldvae-euc": "popnet.comparisons.networks.loadings:ldvae",
    "scetm-euc": "popnet.comparisons.networks.loadings:scetm",
    "sivae-euc": "popnet.comparisons.networks.sivae:sivae_near",
    "sivae-gamma0-euc": "popnet.comparisons.networks.sivae:gamma0_near",
    "sivae-correlation": "popnet.comparisons.networks.sivae:sampled_correlation",
    "sivae-clr": "popnet.comparisons.networks.sivae:sampled_clr",
    "sivae-mrnet": "popnet.comparisons.networks.sivae:sampled_mrnet",
    "sivae-aracne": "popnet.comparisons.networks.sivae:sampled_aracne",
    "sivae-grnboost2": "popnet.comparisons.networks.sivae:sampled_grnboost2",
}
