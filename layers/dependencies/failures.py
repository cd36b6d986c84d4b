"""What can go wrong while layers are built."""


class LayerBuildFailed(Exception):
    """A layer cannot be built as declared; the message says what to do."""
