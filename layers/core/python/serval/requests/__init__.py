"""Async requests: one heavy inference each, with an id, a status and a stored result."""
