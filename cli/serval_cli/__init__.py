"""The laptop side of Serval: the ``serval`` command and the embedded platform."""
