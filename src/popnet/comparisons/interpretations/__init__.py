"""Interpretations of a trained model: the contribution of genes to each latent dimension."""
