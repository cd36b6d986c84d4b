"""Keys of the artifact bucket and of the registry table."""

import hashlib
import re
from dataclasses import dataclass

MODEL_NAME = re.compile(r"(?!stats\Z)[a-z0-9][a-z0-9_-]{0,62}")
"""Names that need no escaping in a URL, an S3 key or a metric dimension.

``stats`` is excluded, because ``/v2/models/stats`` is a path of the protocol.
"""
MODEL_NAME_EXPECTED = (
    "1 to 63 lower-case letters, digits, '-' or '_', the first a letter or digit"
    " (and not 'stats', which is a path of the protocol)"
)
VERSION = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)
UPLOAD_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
MANIFEST = "manifest.json"
BARE_ARTIFACT = "model.onnx"


@dataclass(frozen=True, slots=True)
class Incoming:
    """An upload that is complete: its manifest, or a bare artifact, lies under ``incoming/``."""

    model: str
    upload: str | None
    """None for ``incoming/<model>/model.onnx`` alone, which inherits its model.yaml."""

    @property
    def prefix(self) -> str:
        """The prefix of the upload's files."""
        upload = f"{self.upload}/" if self.upload else ""
        return f"incoming/{self.model}/{upload}"


def parse_key(key: str) -> Incoming | None:
    """Read ``incoming/<model>/<upload>/manifest.json`` or ``incoming/<model>/model.onnx``.

    Return None for any other key that EventBridge's rule lets through. Keys in its events are not
    URL-encoded.
    """
    match key.split("/"):
        case ["incoming", model, upload, "manifest.json"]:
            if MODEL_NAME.fullmatch(model) and UPLOAD_ID.fullmatch(upload):
                return Incoming(model, upload)
        case ["incoming", model, "model.onnx"]:
            if MODEL_NAME.fullmatch(model):
                return Incoming(model, None)
    return None


def claim_id(bucket: str, key: str, version_id: str) -> str:
    """Return the id of the claim on one version of an object."""
    return hashlib.sha256(f"{bucket}\0{key}\0{version_id}".encode()).hexdigest()


def upload_prefix(model: str, upload: str) -> str:
    """Return the prefix of an upload's files."""
    return f"incoming/{model}/{upload}/"


def staging_prefix(model: str, rollout: str) -> str:
    """Return the prefix of the forms of a rollout whose version has no number yet."""
    return f"staging/{model}/{rollout}/"


def version_prefix(model: str, version: str) -> str:
    """Return the immutable prefix of a version."""
    return f"models/{model}/{version}/"


def record_key(model: str, version: str) -> str:
    """Return the key of a version's record, for workers that read no table."""
    return f"models/{model}/{version}.json"


def model_partition(model: str) -> str:
    """Return the partition key of a model's items."""
    return f"MODEL#{model}"


def version_sort_key(version: str) -> str:
    """Return the sort key of a version, which sorts by number."""
    return f"VERSION#{int(version):010d}"


def ticket_partition(ticket_hash: str) -> str:
    """Return the partition key of a ticket."""
    return f"TICKET#{ticket_hash}"


def api_key_partition(key_hash: str) -> str:
    """Return the partition key of an API key."""
    return f"KEY#{key_hash}"


def fleet_partition(fleet: str) -> str:
    """Return the partition key of a fleet's items and those of its workers."""
    return f"FLEET#{fleet}"


def worker_sort_key(worker: str) -> str:
    """Return the sort key of a worker."""
    return f"{WORKER}{worker}"


def place_sort_key(number: int) -> str:
    """Return the sort key of a place for a waiting caller."""
    return f"PLACE#{number:04}"


def rate_sort_key(minute: str, kind: str = "") -> str:
    """Return the sort key, under an API key, of its requests of a kind in a minute."""
    return f"RATE#{kind}#{minute}" if kind else f"RATE#{minute}"


ANSWERS_PREFIX = "cache/"
"""Of the data bucket: where large answers are kept, each under the key of its item."""
MODELS_PARTITION = "MODELS"
META = "META"
ROUTE = "ROUTE"
API_KEY = "KEY"
TICKET = "TICKET"
CALLBACK_SECRET = "CALLBACK"
"""Sort key, under an API key, of the secret for its callbacks, which only ``callback`` reads."""
FLEET_STATE = "STATE"
FLEET_DUTY = "DUTY"
WAITING = "WAITING"
"""Partition of the places for waiting callers."""
WORKER = "WORKER#"
