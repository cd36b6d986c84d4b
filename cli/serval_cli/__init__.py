"""The ``serval`` command and the local platform."""
