"""Pipelines on disk: read, and checked against the models of a stage."""
