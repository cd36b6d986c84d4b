"""Read the declarations in folders of models, naming the folder in errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serval.bundles.bundle import Bundle, read_bundle
from serval.bundles.handlers import with_handler
from serval.bundles.pipeline import Pipeline, read_pipeline
from serval.errors import BundleRefused
from serval.handlers.conventions import HANDLER_FILES


class DeclaredTwice(ValueError):
    """Two folders declare the same model, and one of them needs a deploy."""

    def __init__(self, path: Path, model: str) -> None:
        super().__init__(f"{path}: model {model!r} is declared in another folder too")


def read_model_folder(path: Path) -> Bundle:
    """Read a ``model.yaml``, or raise ``BundleRefused``."""
    with _naming_the_folder(path):
        bundle = read_bundle(path.read_bytes())
        candidates = (*(file.path for file in HANDLER_FILES), bundle.artifact)
        return with_handler(bundle, [one for one in candidates if (path.parent / one).is_file()])


def read_pipeline_folder(path: Path) -> Pipeline:
    """Read a ``pipeline.yaml``, or raise ``BundleRefused``."""
    with _naming_the_folder(path):
        return read_pipeline(path.read_bytes())


@contextmanager
def _naming_the_folder(path: Path) -> Iterator[None]:
    """Name a file's folder in each reason of a refusal."""
    try:
        yield
    except BundleRefused as refused:
        folder = path.parent.name
        raise BundleRefused([f"{folder}/{reason}" for reason in refused.reasons]) from None
