"""Composition roots: one module for each function."""
