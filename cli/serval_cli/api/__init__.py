"""Clients of a stage's HTTP API."""
