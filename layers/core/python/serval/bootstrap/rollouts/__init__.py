"""Composition roots of the steps of a rollout."""
