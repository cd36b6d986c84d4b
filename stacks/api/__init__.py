"""The HTTP API, its functions, and callbacks."""
