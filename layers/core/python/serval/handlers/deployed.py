"""What a function was deployed with to run one model's handler: its packages, and their lock."""

from dataclasses import dataclass
from pathlib import Path

from serval.handlers.opening import PYTHON, HandlerOpening
from serval.inference.runtimes import ArtifactUnreadable, Model, OpenModel
from serval.models.version import Form, ModelVersion

FOLDER, LOCK, PACKAGES = "handler", "requirements.lock", "packages"
"""Inside the function's code: the folder is there only if the function is a handler's own."""


class OtherPackages(ArtifactUnreadable):
    """The function was deployed with other packages than a version's."""


@dataclass(frozen=True, slots=True)
class DeployedPackages:
    """The packages in the function's code."""

    folder: Path

    def of(self, lock: Path) -> tuple[str, ...]:
        """Return the folder of the packages that a version's lock pins.

        Raises
        ------
        OtherPackages
            If the function was deployed with others.
        """
        wanted = lock.read_bytes() if lock.is_file() else b""
        if wanted != (self.folder / LOCK).read_bytes():
            raise OtherPackages(
                f"{LOCK} is not the one that the function was deployed with: run `serval deploy "
                "--models DIR`, where DIR has the bundle in a folder of its own"
            )
        return (str(self.folder / PACKAGES),)


def own_opening(handlers: HandlerOpening, open_graph: OpenModel) -> OpenModel:
    """Return what opens the versions of a model that has a handler, and its graphs of before."""

    def open_version(record: ModelVersion, path: Path, form: Form | None) -> Model:
        if record.runtime == PYTHON:
            return handlers.open(record, path)
        return open_graph(record, path, form)

    return open_version
