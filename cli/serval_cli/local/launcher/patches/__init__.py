"""The emulator's gaps, each closed by a patch with ``apply``."""
