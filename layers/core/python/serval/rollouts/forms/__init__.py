"""Optimised forms: the work that a session would do at every load, done once at publish time."""
