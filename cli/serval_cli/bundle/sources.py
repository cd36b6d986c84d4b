"""What ``serval init --from`` takes: the kinds of files and folders, each with its reader.

A further kind is a line in ``FILES`` or ``FOLDERS`` and a function
``(Path, SourceChoices) -> Source`` in a module of its own, imported only when it is needed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from serval.handlers.conventions import HANDLER_FILES
from serval.models.storage import BARE_ARTIFACT
from serval_cli.bundle.exported.detector import detector_task
from serval_cli.bundle.skeleton import Graph, read_graph
from serval_cli.failures import CommandFailed

FILES = {
    ".onnx": "serval_cli.bundle.sources:read_onnx",
    **dict.fromkeys(
        (".joblib", ".pkl", ".pickle"), "serval_cli.conversion.of_sklearn:read_pickled"
    ),
    **dict.fromkeys((".json", ".ubj"), "serval_cli.conversion.of_xgboost:read_xgboost"),
    ".txt": "serval_cli.conversion.of_lightgbm:read_lightgbm",
    ".cbm": "serval_cli.conversion.of_catboost:read_catboost",
    ".pt2": "serval_cli.conversion.tensors.of_torch:read_program",
    ".keras": "serval_cli.conversion.tensors.of_keras:read_keras",
}
"""Suffix of a file → the function that reads it; a file of any other suffix is read as ONNX."""
WEIGHTS = (".safetensors", ".bin", ".h5", ".msgpack")
"""Suffixes of files that hold weights alone."""
FOLDERS = {
    "MLmodel": "serval_cli.conversion.of_mlflow:read_mlflow",
    "modules.json": "serval_cli.bundle.exported.reader:read_exported",
    "config.json": "serval_cli.bundle.exported.reader:read_exported",
    "saved_model.pb": "serval_cli.conversion.tensors.of_saved_model:read_saved_model",
}
"""File that marks a folder → the function that reads the folder; the first that is there counts."""


@dataclass(frozen=True, slots=True)
class SourceChoices:
    """What the command line says beside ``--from``."""

    scratch: Path
    """A folder for files made on the way; it is gone when the bundle is complete."""
    graph: str | None = None
    """``--graph``: which graph to take, where a folder has several."""
    task: str | None = None
    """``--task``: what the model does, where its files do not tell."""
    choose: Callable[[Sequence[str]], str] | None = None
    """Asks which of several graphs to take; None if nobody can be asked."""
    samples: Sequence[Path] = ()
    """``--sample``: files with real inputs."""
    positional: bool = False
    """``--positional``: whether a sample's columns fill the inputs in order."""
    trust: bool = False
    """``--trust``: whether a file may be loaded that runs code."""
    yes: bool = False
    """``--yes``: whether missing packages are installed without a question."""


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
    examples: Sequence[Path] | None = None
    """Samples to be asked in the words of the task, if the task makes the golden requests."""
    golden: str | None = None
    """Golden requests, if the reader makes them itself, as it does from a table of samples."""
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Input → the table columns that fill it, where the model itself names them."""


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
    if path.is_file() and path.name in FOLDERS:
        path = path.parent
    if path.is_dir():
        for mark, place in FOLDERS.items():
            if (path / mark).is_file():
                return find_reader(place)(path, choices)
        raise CommandFailed(
            f"{path} has none of {', '.join(FOLDERS)}, by which an exported folder is known, and "
            f"none of {', '.join(file.path for file in HANDLER_FILES)}{graphs_inside(path)}"
        )
    if not path.is_file():
        raise CommandFailed(
            f"{path} is neither a file nor a folder here: an ONNX file, an exported folder "
            "or a model of a library expected; of a model of the hub, `optimum-cli "
            "export onnx --model ID FOLDER` makes one"
        )
    if path.suffix.lower() in WEIGHTS:
        raise CommandFailed(
            f"{path} holds weights without a graph: `optimum-cli export onnx --model "
            f"{path.parent} FOLDER` makes a folder with one, for --from FOLDER"
        )
    place = FILES.get(path.suffix.lower(), FILES[".onnx"])
    return find_reader(place)(path, choices)


def graphs_inside(folder: Path) -> str:
    """Name the graphs of a folder as what --from takes too."""
    found = [str(path) for path in sorted(folder.glob("*.onnx"))]
    return f"; --from {found[0]} takes its graph alone" if found else ""


def find_reader(place: str) -> Reader:
    """Import a reader, given as ``module:function``."""
    module, _, function = place.partition(":")
    reader: Reader = getattr(import_module(module), function)
    return reader


def read_onnx(path: Path, choices: SourceChoices) -> Source:
    """Read an ONNX file with its external data; with a task, also the files beside it."""
    if choices.task is not None:
        whole = replace(choices, graph=path.name)
        return find_reader(FOLDERS["config.json"])(path.parent, whole)
    graph = read_graph(path)
    detector = detector_task(graph.model)
    if detector is not None:
        found = f"task: object-detection, of {len(detector['labels'])} labels in the metadata"
        return Source(graph, task=detector, found=(found,), examples=tuple(choices.samples))
    beside = path.parent / "config.json"
    hint = f"{beside} lies beside the graph: --from {path.parent} makes a model of text or media"
    return Source(graph, found=(hint,) if beside.is_file() else ())
