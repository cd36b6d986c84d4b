"""Buckets and tables, which outlive every deploy."""
