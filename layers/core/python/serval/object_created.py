"""EventBridge's "Object Created" of the artifact bucket, the event that an upload is complete."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from serval.short_repr import short_repr


class NotAnUpload(ValueError):
    """The event is not one of a new object."""

    def __init__(self, event: object) -> None:
        super().__init__(f"{short_repr(event)} given, EventBridge's 'Object Created' expected")


@dataclass(frozen=True, slots=True)
class ObjectCreated:
    """A new object, or a new version of one."""

    bucket: str
    key: str
    """As in the event, where keys are not URL-encoded."""
    version_id: str | None
    """None in the local platform's events, which lack it."""

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
    """Return the id of the claim on one version of an object."""
    return hashlib.sha256(f"{bucket}\0{key}\0{version_id}".encode()).hexdigest()
