"""The pages of a study, rendered from templates."""
