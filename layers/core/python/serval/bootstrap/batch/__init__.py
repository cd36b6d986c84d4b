"""Composition roots of the functions of batch jobs."""
