"""Read ``model.yaml`` into a ``Bundle``."""

from serval.bundle import MODEL_YAML, Bundle
from serval.yaml_files import read_section


def read_bundle(text: bytes | str) -> Bundle:
    """Parse and validate ``model.yaml``.

    Raises
    ------
    BundleRefused
        With every mistake found: the key, its value and what was expected.
    """
    return read_section(text, MODEL_YAML, Bundle)
