"""A file, and what is right of each of its records."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any


@dataclass(frozen=True, slots=True)
class Record:
    """One record, and what may become of it."""

    number: int
    """As ``errors.jsonl`` counts it."""
    passed: Mapping[str, Any]
    """Its own columns, as they are joined."""
    values: Sequence[float] | None
    """What the model is to be given; None: it has to be rejected."""
    sure: bool = True
    """Whether it has to be answered if it has values; else it may be rejected."""


@dataclass(frozen=True, slots=True)
class OddFile:
    """What a user might bring."""

    name: str
    body: bytes
    records: Sequence[Record] | None
    """None: the job has to be refused."""
    options: Mapping[str, Any] = field(default_factory=dict)
    loose: bool = False
    """Whether nobody can tell what is right: damage that gives other values, and no error."""


Maker = Callable[[Random], OddFile]
"""Makes a file for the model of ``judging``: its input is ``x``, FP64 of shape [-1, 2]."""
