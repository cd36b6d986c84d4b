"""Callbacks: a signed POST to whoever asked to be told of a request's end."""
