"""Errors in building layers."""


class LayerBuildFailed(Exception):
    """A layer cannot be built as declared; the message has the remedy."""
