"""What runs a version's handler: its file, its Python, its environment, its limits."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from serval.handlers.conventions import HandlerFile
from serval.handlers.secrets import ReadSecrets

MIB = 2**20


@dataclass(frozen=True, slots=True)
class HandlerLimits:
    """What a handler's process may take before it is ended."""

    memory_bytes: int = 2048 * MIB
    """Resident, its children's included."""
    load_seconds: float = 120.0
    """Until it has imported its file and loaded what it needs."""
    call_seconds: float = 25.0
    """For one call."""
    most_bytes: int = 64 * MIB
    """Of a request's body, and of an answer's."""


DEFAULT_LIMITS = HandlerLimits()


@dataclass(frozen=True, slots=True)
class HandlerDeclaration:
    """A handler, ready to be run."""

    model: str
    folder: Path
    """The bundle's files."""
    file: HandlerFile
    python: str = sys.executable
    """The interpreter of its environment."""
    packages: tuple[str, ...] = ()
    """Folders with its packages, beside those that the interpreter has."""
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The bundle's ``env``."""
    read_secrets: ReadSecrets = dict
    """Called whenever its process starts."""
    limits: HandlerLimits = DEFAULT_LIMITS
