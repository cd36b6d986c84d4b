"""Folders that the exporters of transformers, optimum and sentence-transformers write."""
