"""Pipelines: models whose steps are other models, and rules between them."""
