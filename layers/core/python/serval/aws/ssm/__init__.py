"""Adapters for Systems Manager."""
