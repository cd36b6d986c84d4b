"""Callbacks: a signed POST to a caller's URL when a request has ended."""
