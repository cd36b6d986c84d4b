"""Samples: inputs of a model from files that people have."""
