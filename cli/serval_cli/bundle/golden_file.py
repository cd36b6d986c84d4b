"""Add lines to a bundle's golden requests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from serval.bundles.bundle import MODEL_YAML, read_bundle
from serval.errors import BundleRefused
from serval.rollouts.golden.requests import LIMIT_BYTES, LIMIT_LINES
from serval_cli.bundle.skeleton import GOLDEN
from serval_cli.failures import CommandFailed


@dataclass(frozen=True, slots=True)
class GoldenFile:
    """The golden requests of a bundle, and the line that makes ``model.yaml`` name them."""

    path: Path
    model_yaml: Path
    declaration: str
    """Text to append to ``model.yaml``; empty if it names the file already."""
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Input → the table columns that fill it."""

    def add(self, line: str) -> int:
        """Append a line and return the number of golden requests.

        Raises
        ------
        CommandFailed
            If the file would exceed a limit; nothing is written.
        """
        before = self.path.read_bytes() if self.path.is_file() else b""
        if before and not before.endswith(b"\n"):
            before += b"\n"
        after = before + line.encode()
        count = sum(1 for text in after.split(b"\n") if text.strip())
        if len(after) > LIMIT_BYTES or count > LIMIT_LINES:
            raise CommandFailed(
                f"{self.path} would have {count} lines and {len(after)} bytes, at most "
                f"{LIMIT_LINES} and {LIMIT_BYTES} allowed"
            )
        self.path.write_bytes(after)
        if self.declaration:
            with self.model_yaml.open("ab") as file:
                file.write(self.declaration.encode())
        return count


def find_golden_file(folder: Path, model: str) -> GoldenFile:
    """Find the golden requests of a model's bundle, or where its first one goes.

    Raises
    ------
    CommandFailed
        If the folder is not a bundle of this model.
    """
    model_yaml = folder / MODEL_YAML
    if not model_yaml.is_file():
        raise CommandFailed(f"{folder} has no {MODEL_YAML}: --bundle names the bundle of {model!r}")
    text = model_yaml.read_bytes()
    bundle = read_bundle(text)
    if bundle.name != model:
        raise CommandFailed(f"{folder} is a bundle of {bundle.name!r}, not of {model!r}")
    if bundle.golden is not None:
        return GoldenFile(folder / bundle.golden, model_yaml, "", bundle.columns)
    line_end = "" if text.endswith(b"\n") else "\n"
    declaration = f"{line_end}golden: {GOLDEN}\n"
    try:
        named = read_bundle(text + declaration.encode()).golden
    except BundleRefused:
        named = None
    if named != GOLDEN:
        raise CommandFailed(f"{model_yaml} names no golden requests: add 'golden: {GOLDEN}' to it")
    return GoldenFile(folder / GOLDEN, model_yaml, declaration, bundle.columns)
