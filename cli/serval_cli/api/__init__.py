"""What answers callers: the HTTP API, its functions, callbacks."""
