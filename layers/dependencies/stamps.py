"""Record what a built layer was made from, so that nothing is built twice."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from layers.dependencies.declarations import Layer, Variant, machine
from layers.dependencies.installation import REPOSITORY, sources

BUILDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a built layer was made from, and its size."""

    fingerprint: str
    size: int
    """Bytes, unzipped."""


def fingerprint(layer: Layer, variant: Variant) -> str:
    """Hash all that determines a layer's files: sources, declaration, machine and builder."""
    builder = sorted(file for file in BUILDER.iterdir() if file.suffix in {".py", ".mjs"})
    digest = hashlib.sha256(f"{layer} {machine(variant)}".encode())
    for file in [*builder, *sources(layer)]:
        content = file.read_bytes()
        digest.update(f"\n{file.relative_to(REPOSITORY)} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def read(file: Path) -> Stamp | None:
    """Read a stamp, or return None if there is no readable one."""
    try:
        return Stamp(**json.loads(file.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def write(file: Path, stamp: Stamp) -> None:
    """Write a stamp; a partial file reads as no stamp."""
    file.write_text(json.dumps({"fingerprint": stamp.fingerprint, "size": stamp.size}) + "\n")
