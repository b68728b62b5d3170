"""Interpretations of a trained model: what each gene has to do with each latent dimension."""
