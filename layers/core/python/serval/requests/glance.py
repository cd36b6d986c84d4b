"""Open requests at a glance: those that run and the longest queued one by one, the rest counted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from serval.requests.request import OpenRequest

LISTED = 500
"""Queued requests that are listed of each part of the index; those that changed longest ago."""


@dataclass(frozen=True, slots=True)
class Glance:
    """What one look at the requests table's index has listed, and where it stopped."""

    listed: Sequence[OpenRequest]
    rest: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Parts of the index that go on, each with the key of the last request listed."""
