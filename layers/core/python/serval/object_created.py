"""The event that an upload is whole: EventBridge's "Object Created" of the artifact bucket."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from serval.errors import shown


class NotAnUpload(ValueError):
    """The event announces no object."""

    def __init__(self, event: object) -> None:
        super().__init__(f"{shown(event)} given, EventBridge's 'Object Created' expected")


@dataclass(frozen=True, slots=True)
class ObjectCreated:
    """One object that came to be."""

    bucket: str
    key: str
    """As it is: keys in EventBridge events are not URL-encoded."""
    version_id: str | None
    """None: the event does not say (the local platform's lack it)."""

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """Read an EventBridge event, or raise ``NotAnUpload``."""
        match event:
            case {"detail": {"bucket": {"name": str(bucket)}, "object": {"key": str(key), **more}}}:
                version_id = more.get("version-id")
                if version_id is None or isinstance(version_id, str):
                    return cls(bucket, key, version_id)
        raise NotAnUpload(event)


def claim_id(bucket: str, key: str, version_id: str) -> str:
    """Name the claim on one version of one object."""
    return hashlib.sha256(f"{bucket}\0{key}\0{version_id}".encode()).hexdigest()
