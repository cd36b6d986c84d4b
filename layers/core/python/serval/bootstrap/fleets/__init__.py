"""Composition roots of the functions that control fleets."""
