"""Composition roots of the functions of async requests."""
