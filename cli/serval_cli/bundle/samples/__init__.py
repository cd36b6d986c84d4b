"""Samples: a model's inputs, read from files that people have."""
