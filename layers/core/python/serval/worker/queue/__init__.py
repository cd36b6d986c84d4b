"""Async requests, from the queue to a stored result."""
