"""Keys of the artifact bucket and of the registry table."""

import re
from dataclasses import dataclass

MODEL_NAME = re.compile(r"(?!stats\Z)[a-z0-9][a-z0-9_-]{0,62}")
"""Model names: what fits a URL segment, an S3 key and a metric dimension unescaped.

``/v2/models/stats`` is the protocol's own path, so no model can be called that.
"""
VERSION = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)
UPLOAD_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
MANIFEST = "manifest.json"
BARE_ARTIFACT = "model.onnx"


@dataclass(frozen=True, slots=True)
class Incoming:
    """What an object under ``incoming/`` announces: a manifest, or a bare artifact."""

    model: str
    upload: str | None
    """None: ``incoming/<model>/model.onnx`` alone, whose model.yaml is inherited."""

    @property
    def prefix(self) -> str:
        """Where the upload's files lie."""
        upload = f"{self.upload}/" if self.upload else ""
        return f"incoming/{self.model}/{upload}"


def parse_key(key: str) -> Incoming | None:
    """Read ``incoming/<model>/<upload>/manifest.json`` or ``incoming/<model>/model.onnx``.

    Any other key gives None: EventBridge's rule lets more through.
    Keys in EventBridge events are not URL-encoded and are taken as they are.
    """
    match key.split("/"):
        case ["incoming", model, upload, "manifest.json"]:
            if MODEL_NAME.fullmatch(model) and UPLOAD_ID.fullmatch(upload):
                return Incoming(model, upload)
        case ["incoming", model, "model.onnx"]:
            if MODEL_NAME.fullmatch(model):
                return Incoming(model, None)
    return None


def upload_prefix(model: str, upload: str) -> str:
    """Give the prefix that an upload's files go to."""
    return f"incoming/{model}/{upload}/"


def staging_prefix(model: str, rollout: str) -> str:
    """Give the prefix of what a rollout makes before its version has a number."""
    return f"staging/{model}/{rollout}/"


def version_prefix(model: str, version: str) -> str:
    """Give the immutable prefix of a version."""
    return f"models/{model}/{version}/"


def record_key(model: str, version: str) -> str:
    """Give the key of a version's record, for those who may read artifacts and no table."""
    return f"models/{model}/{version}.json"


def model_partition(model: str) -> str:
    """Give the partition key of everything the registry knows of a model."""
    return f"MODEL#{model}"


def version_sort_key(version: str) -> str:
    """Give a sort key that orders versions by number."""
    return f"VERSION#{int(version):010d}"


def api_key_partition(key_hash: str) -> str:
    """Give the partition key of an API key."""
    return f"KEY#{key_hash}"


def fleet_partition(fleet: str) -> str:
    """Give the partition key of a fleet's row and of the rows of its workers."""
    return f"FLEET#{fleet}"


def worker_sort_key(worker: str) -> str:
    """Give the sort key of a fleet's worker."""
    return f"{WORKER}{worker}"


def place_sort_key(number: int) -> str:
    """Give the sort key of a place of a caller who waits."""
    return f"PLACE#{number:04}"


def rate_sort_key(minute: str, kind: str = "") -> str:
    """Give the sort key under an API key of how much of a kind it has asked for in a minute."""
    return f"RATE#{kind}#{minute}" if kind else f"RATE#{minute}"


MODELS_PARTITION = "MODELS"
META = "META"
ROUTE = "ROUTE"
API_KEY = "KEY"
CALLBACK_SECRET = "CALLBACK"
"""Sort key under an API key of what signs its callbacks: apart, as only ``callback`` reads it."""
FLEET_STATE = "STATE"
FLEET_DUTY = "DUTY"
WAITING = "WAITING"
"""Partition of the places of callers who wait."""
WORKER = "WORKER#"
