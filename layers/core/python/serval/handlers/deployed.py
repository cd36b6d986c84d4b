"""What a function was deployed with to run one model's handler: its packages, and their lock."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from serval.handlers.opening import PYTHON, HandlerOpening
from serval.inference.runtimes import ArtifactUnreadable, Model
from serval.models.version import Form, ModelVersion

FOLDER, LOCK, PACKAGES = "handler", "requirements.lock", "packages"
"""Inside the function's code: the folder is there only if the function is a handler's own."""


@dataclass(frozen=True, slots=True)
class DeployedPackages:
    """The packages in the function's code."""

    folder: Path

    def of(self, lock: Path) -> tuple[str, ...]:
        """Return the folder of the packages that a version's lock pins.

        Raises
        ------
        ArtifactUnreadable
            If the function was deployed with others.
        """
        wanted = lock.read_bytes() if lock.is_file() else b""
        if wanted != (self.folder / LOCK).read_bytes():
            raise ArtifactUnreadable(
                f"{LOCK} is not the one that the function was deployed with: run `serval deploy "
                "--models DIR`, where DIR has the bundle in a folder of its own"
            )
        return (str(self.folder / PACKAGES),)


@dataclass(slots=True)
class OpenOwnVersion:
    """Finds a version, then opens it; ``LoadedVersions`` calls both for one version at a time."""

    find_record: Callable[[str, str], ModelVersion]
    open_graph: Callable[[Path, Form | None], Model]
    handlers: HandlerOpening
    _found: ModelVersion | None = field(default=None)
    """The version that ``open`` is called for next; its path does not name it."""

    def find(self, model: str, version: str) -> ModelVersion:
        """Find a version."""
        self._found = self.find_record(model, version)
        return self._found

    def open(self, path: Path, form: Form | None) -> Model:
        """Open the version that was found last: a handler, or a graph from before there was one."""
        if self._found is not None and self._found.runtime == PYTHON:
            return self.handlers.open(self._found, path)
        return self.open_graph(path, form)
