"""Opening a version whose runtime is Python: its files kept, its packages there, its process up."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from serval.handlers.conventions import handler_at
from serval.handlers.declaration import DEFAULT_LIMITS, HandlerDeclaration, HandlerLimits
from serval.handlers.model import HandlerModel, keep_files
from serval.handlers.process import HandlerProcess
from serval.handlers.secret_store import SecretStore
from serval.handlers.secrets import secrets_of
from serval.models.version import ModelVersion

PYTHON = "python"
"""The runtime's name."""


@dataclass(frozen=True, slots=True)
class HandlerOpening:
    """Opens versions whose runtime is Python."""

    packages: Callable[[Path], tuple[str, ...]]
    """Returns the folders with the packages of a lock, which need not be there."""
    log: Callable[[str], object]
    secrets: SecretStore
    limits: HandlerLimits = DEFAULT_LIMITS

    def open(self, record: ModelVersion, path: Path) -> HandlerModel:
        """Open a version; ``path`` is its handler's file, in the folder of all its files.

        Raises
        ------
        ArtifactUnreadable
            If its packages cannot be had, a secret is not set, or it does not load.
        ArtifactUnavailable
            If its secrets cannot be read now.
        """
        file = handler_at(record.artifact)
        folder = path.parents[record.artifact.count("/")]
        packages = self.packages(folder / file.lock)
        kept = keep_files(folder)
        declared = HandlerDeclaration(
            model=record.model,
            folder=kept,
            file=file,
            packages=packages,
            variables=record.bundle.get("env", {}),
            read_secrets=secrets_of(record, self.secrets),
            limits=self.limits,
        )
        return HandlerModel(HandlerProcess(declared, self.log), kept)
