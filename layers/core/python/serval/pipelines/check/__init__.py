"""Checks of a pipeline before it becomes a version."""
