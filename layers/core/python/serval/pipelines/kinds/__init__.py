"""Kinds of models that steps ask otherwise than by tensors."""
