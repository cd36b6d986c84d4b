"""What ``serval init --from`` takes: the kinds of files and folders, each with its reader.

A further kind is a line in ``FILES`` or ``FOLDERS`` and a function
``(Path, SourceChoices) -> Source`` in a module of its own, imported only when it is needed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from serval.models.storage import BARE_ARTIFACT
from serval_cli.bundle.skeleton import Graph, read_graph
from serval_cli.failures import CommandFailed

FILES = {
    ".onnx": "serval_cli.bundle.sources:read_onnx",
}
"""Suffix of a file → the function that reads it; a file of any other suffix is read as ONNX."""
FOLDERS: dict[str, str] = {}
"""File that marks a folder → the function that reads the folder; the first that is there counts."""


@dataclass(frozen=True, slots=True)
class SourceChoices:
    """What the command line says beside ``--from``."""

    scratch: Path
    """A folder for files made on the way; it is gone when the bundle is complete."""
    graph: str | None = None
    """``--graph``: which graph to take, where a folder has several."""
    samples: Sequence[Path] = ()
    """``--sample``: files with real inputs."""


@dataclass(frozen=True, slots=True)
class Source:
    """A model that can become a bundle."""

    graph: Graph
    """Its graph; it becomes the artifact."""
    artifact: str = BARE_ARTIFACT
    """The artifact's path in the bundle."""
    files: Mapping[str, Path] = field(default_factory=dict)
    """Path in the bundle → a further file that is copied there."""
    task: Mapping[str, Any] | None = None
    """The section ``task:`` of model.yaml, with ``name``; None for a model of tensors alone."""
    found: Sequence[str] = ()
    """What was found, in sentences for the terminal."""
    golden: str | None = None
    """Golden requests, if the reader makes them itself, as it does from a table of samples."""


Reader = Callable[[Path, SourceChoices], Source]


def read_source(path: Path, choices: SourceChoices) -> Source:
    """Read what ``--from`` names by the reader of its kind.

    Raises
    ------
    CommandFailed
        If there is nothing, or a folder that no reader knows.
    BundleRefused
        If the graph could not be published.
    """
    if path.is_dir():
        for mark, place in FOLDERS.items():
            if (path / mark).is_file():
                return find_reader(place)(path, choices)
        raise CommandFailed(f"{path} is a folder with none of: {', '.join(FOLDERS)}")
    if not path.is_file():
        raise CommandFailed(f"{path} is not a file: an ONNX file expected")
    place = FILES.get(path.suffix.lower(), FILES[".onnx"])
    return find_reader(place)(path, choices)


def find_reader(place: str) -> Reader:
    """Import a reader, given as ``module:function``."""
    module, _, function = place.partition(":")
    reader: Reader = getattr(import_module(module), function)
    return reader


def read_onnx(path: Path, _: SourceChoices) -> Source:
    """Read an ONNX file, with its external data beside it."""
    return Source(read_graph(path))
