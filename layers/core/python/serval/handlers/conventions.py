"""The two conventions of handlers, each found by its file."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

Convention = Literal["hugging-face", "sagemaker"]
HUGGING_FACE_FILE = "handler.py"
HUGGING_FACE_CLASS = "EndpointHandler"
SAGEMAKER_FILE = "code/inference.py"
SAGEMAKER_FUNCTIONS = ("model_fn", "input_fn", "predict_fn", "output_fn", "transform_fn")


@dataclass(frozen=True, slots=True)
class HandlerFile:
    """The file of a bundle that has the handler, and the convention that it keeps."""

    path: str
    """Relative to the bundle."""
    convention: Convention

    @property
    def requirements(self) -> str:
        """Path of the file that names the handler's packages, which need not be there."""
        return self._beside("requirements.txt")

    @property
    def lock(self) -> str:
        """Path of the file that pins them, with their hashes."""
        return self._beside("requirements.lock")

    def _beside(self, name: str) -> str:
        folder, _, _ = self.path.rpartition("/")
        return f"{folder}/{name}" if folder else name


HANDLER_FILES = (
    HandlerFile(HUGGING_FACE_FILE, "hugging-face"),
    HandlerFile(SAGEMAKER_FILE, "sagemaker"),
)


def find_handler(paths: Collection[str]) -> HandlerFile | None:
    """Find the handler among a bundle's files; with both, ``handler.py`` is it."""
    return next((one for one in HANDLER_FILES if one.path in paths), None)


def handler_at(path: str) -> HandlerFile:
    """Return the handler file of that path."""
    return next(one for one in HANDLER_FILES if one.path == path)
