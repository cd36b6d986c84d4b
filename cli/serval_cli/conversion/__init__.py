"""Models of tabular libraries as bundles: converted, and compared with the original."""
