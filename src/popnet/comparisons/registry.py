"""The compared methods by name: one line each, and a module of its own.

Every parse of the workflow comes through this module, so it imports nothing.
"""

# "module:function" below this package. Functions of one table have one signature:
# embed(cells, heldout, training, seed) -> Embedding
EMBEDDINGS: dict[str, str] = {
    "pca": "embeddings.components:pca",
    "vae": "embeddings.sivae:vae",
    "sivae": "embeddings.sivae:sivae",
    "sivae-gamma0": "embeddings.sivae:sivae_gamma0",
    "sivae-linear": "embeddings.sivae:sivae_linear",
    "sivae-nb": "embeddings.sivae:sivae_nb",
    "sivae-batch": "embeddings.sivae:sivae_batch",
    "vae-linear": "embeddings.sivae:vae_linear",
    "scvi": "embeddings.scvi_tools:scvi",
    "ldvae": "embeddings.scvi_tools:ldvae",
    "scetm": "embeddings.scetm:scetm",
}
# explain(explained) -> ndarray (n_genes, latent)
INTERPRETATIONS: dict[str, str] = {
    "loadings": "interpretations.loadings:explain",
    "saliency": "interpretations.gradients:saliency",
    "gradient-input": "interpretations.gradients:gradient_input",
    "saliency-forward": "interpretations.gradients:saliency_forward",
    "gradient-input-forward": "interpretations.gradients:gradient_input_forward",
    "deeplift": "interpretations.deeplift:explain",
    "integrated-gradients": "interpretations.integrated_gradients:explain",
    "shapley": "interpretations.shapley:explain",
    "gene-relevance": "interpretations.gene_relevance:explain",
    "gene-relevance-10": "interpretations.gene_relevance:explain_10",
    "gene-relevance-100": "interpretations.gene_relevance:explain_100",
    "gene-relevance-1000": "interpretations.gene_relevance:explain_1000",
    "encoder-saliency": "interpretations.gradients:encoder_saliency",
    "encoder-gradient-input": "interpretations.gradients:encoder_gradient_input",
    "encoder-deeplift": "interpretations.deeplift:encoder",
}
# infer(cells, training, seed) -> ndarray (n_genes, n_genes)
NETWORKS: dict[str, str] = {
    "correlation": "networks.correlation:correlation",
    "cs-core": "networks.cs_core:cs_core",
    "clr": "networks.information:clr",
    "mrnet": "networks.information:mrnet",
    "aracne": "networks.information:aracne",
    "grnboost2": "networks.boosting:grnboost2",
    "ldvae-euc": "networks.loadings:ldvae",
    "scetm-euc": "networks.loadings:scetm",
    "sivae-euc": "networks.sivae:sivae_near",
    "sivae-gamma0-euc": "networks.sivae:gamma0_near",
    "sivae-correlation": "networks.sivae:sampled_correlation",
    "sivae-clr": "networks.sivae:sampled_clr",
    "sivae-mrnet": "networks.sivae:sampled_mrnet",
    "sivae-aracne": "networks.sivae:sampled_aracne",
    "sivae-grnboost2": "networks.sivae:sampled_grnboost2",
}
