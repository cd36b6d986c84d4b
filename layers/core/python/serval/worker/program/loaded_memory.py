"""The loaded versions of a worker, shared by its threads."""

import threading
from dataclasses import dataclass, field

from serval.inference.loaded import Loaded, LoadedVersions
from serval.models.server_declaration import shares_traffic
from serval.models.version import ModelVersion


@dataclass(slots=True)
class LoadedMemory:
    """The loaded versions, used by the thread that prepares batches and the one that runs them.

    Only the thread that runs loads a version that needs the room of others: nothing runs meanwhile,
    so an evicted version leaves memory at once.
    """

    loaded: LoadedVersions
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def load(self, record: ModelVersion) -> Loaded:
        """Return a loaded version, loading it first if need be, beside others or in their place.

        Raises
        ------
        ArtifactUnavailable, ModelTooLarge
            As ``LoadedVersions.get``.
        """
        if not self._lock.acquire(blocking=False):
            # The lock is held while another version loads; one that is loaded need not wait.
            if (held := self.loaded.find_loaded(record.model, record.version)) is not None:
                return held
            self._lock.acquire()
        try:
            return self.loaded.get(record.model, record.version)
        finally:
            self._lock.release()

    def load_ahead(self, record: ModelVersion) -> None:
        """Load a version that is needed next, if there is room beside the others.

        A server that holds one version would end the one that runs.
        """
        if not shares_traffic(record.bundle):
            return
        with self._lock:
            if (record.model, record.version) not in self.loaded and self.loaded.has_room(record):
                self.loaded.get(record.model, record.version)

    def has_room(self, record: ModelVersion) -> bool:
        """Return whether a version is loaded, or fits beside the others."""
        with self._lock:
            loaded = (record.model, record.version) in self.loaded
            return loaded or self.loaded.has_room(record)

    def tidy(self) -> None:
        """Let versions go that are not to be loaded any more, unless one is being loaded."""
        if self._lock.acquire(blocking=False):
            try:
                self.loaded.tidy()
            finally:
                self._lock.release()

    def names(self) -> tuple[str, ...]:
        """List the versions in memory, as ``textgen:3``."""
        return tuple(sorted(f"{model}:{version}" for model, version in self.loaded.versions()))
