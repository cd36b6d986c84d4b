"""Simulate a fleet of spot machines under a trace of requests, using the real decisions."""
