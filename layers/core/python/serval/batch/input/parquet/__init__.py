"""Parquet: footers, columns, row groups and records."""
