"""Kinds of models that steps ask by other means than tensors."""
