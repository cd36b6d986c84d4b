"""Read an exported folder: its task, its graphs, and the files that the task needs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from serval.foreign import refusing
from serval.models.signature import Signature
from serval.short_repr import short_repr
from serval.tasks.catalogue import TASKS
from serval_cli.bundle.exported.detection import FoundTask, detect_task
from serval_cli.bundle.exported.files import (
    CARD,
    CONFIG,
    MODULES,
    PREPROCESSORS,
    TOKENIZER,
    companion_files,
)
from serval_cli.bundle.exported.graphs import choose_graphs
from serval_cli.bundle.skeleton import read_graph
from serval_cli.bundle.sources import Source, SourceChoices
from serval_cli.failures import CommandFailed

MANY_LABELS = 6
INPUT_IDS = "input_ids"
WRITES = ("text-generation", "automatic-speech-recognition", "image-to-text")
"""Tasks whose tokenizer writes, so that its longest text says nothing of inputs."""
TENSOR_FILES = (".npy", ".npz")
"""Samples that are tensors, whatever the task."""


def read_exported(folder: Path, choices: SourceChoices) -> Source:
    """Read a folder with ``config.json`` or ``modules.json``.

    Raises
    ------
    CommandFailed
        If its task is unknown, or a file that the task needs is missing.
    BundleRefused
        If a graph could not be published.
    """
    graphs = choose_graphs(folder, choices.graph, choices.choose)
    task = find_task(folder, choices.task)
    files = companion_files(folder, task.name)
    graph = read_graph(graphs.main)
    for name, path in graphs.others.items():
        other = read_graph(path)
        files |= {name: path, **{place: path.parent / place for place in other.external}}
    about = describe(folder, files, task.name, graph.signature)
    found = (f"task: {task.name}, by {task.reason}", *about)
    tensors = bool(choices.samples) and all(
        path.suffix.lower() in TENSOR_FILES for path in choices.samples
    )
    examples = None if tensors else tuple(choices.samples)
    return Source(graph, graphs.artifact, files, {"name": task.name}, found, examples)


def find_task(folder: Path, wanted: str | None) -> FoundTask:
    """Return the task that ``--task`` names, or that the folder's files do.

    Raises
    ------
    CommandFailed
        If it is none that Serval has.
    """
    known = ", ".join(sorted(TASKS))
    if wanted is not None:
        if wanted not in TASKS:
            raise CommandFailed(f"--task {wanted}: one of {known} expected")
        return FoundTask(wanted, "--task")
    config = read_object(folder / CONFIG)
    preprocessor = read_preprocessor(folder)
    task = detect_task(
        config,
        preprocessor,
        card_task(folder / CARD),
        sentence_modules=(folder / MODULES).is_file(),
    )
    serve = "--task names it; --from with the .onnx file itself makes a model of tensors"
    if task is None:
        heads = ", ".join(map(str, config.get("architectures") or ())) or "none"
        raise CommandFailed(
            f"{folder / CONFIG}: 'architectures' ({heads}) does not tell the task, one of {known}: "
            f"{serve}"
        )
    if task.name not in TASKS:
        raise CommandFailed(
            f"{folder}: {task.name} (by {task.reason}) is no task of Serval, which has {known}: "
            f"{serve}"
        )
    return task


def read_preprocessor(folder: Path) -> dict[str, Any]:
    """Read what prepares images or sound; empty if the model takes neither."""
    own, together = (read_object(folder / name) for name in PREPROCESSORS)
    inner = together.get("feature_extractor") or together.get("image_processor") or {}
    return own or (inner if isinstance(inner, dict) else {})


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object; empty if there is no file.

    Raises
    ------
    CommandFailed
        If the file holds anything else.
    """
    if not path.is_file():
        return {}
    with refusing(lambda said: CommandFailed(f"{path} is not JSON: {said}")):
        value = json.loads(path.read_bytes())
    if not isinstance(value, dict):
        raise CommandFailed(f"{path}: {short_repr(value)} found, a JSON object expected")
    return value


def card_task(card: Path) -> str | None:
    """Return ``pipeline_tag`` of a model card's front matter."""
    if not card.is_file():
        return None
    mark, _, rest = card.read_text(errors="replace").partition("\n")
    if mark.strip() != "---":
        return None
    try:
        front = yaml.safe_load(rest.partition("\n---")[0])
    except yaml.YAMLError:
        # The card is for people: what is wrong in it is no reason against a model.
        return None
    tag = front.get("pipeline_tag") if isinstance(front, dict) else None
    return tag if isinstance(tag, str) else None


def describe(
    folder: Path, files: Mapping[str, Path], task: str, signature: Signature
) -> Iterator[str]:
    """Describe labels and tokenizer in a line each."""
    config = read_object(folder / CONFIG)
    labels = [str(label) for label in (config.get("id2label") or {}).values()]
    if labels:
        yield describe_labels(labels)
    if TOKENIZER in files and task not in WRITES:
        fixed = [spec.shape[-1] for spec in signature.inputs if spec.name == INPUT_IDS]
        yield describe_tokenizer(config, read_object(folder / "tokenizer_config.json"), fixed)


def describe_labels(labels: list[str]) -> str:
    """Describe the labels, and how to name them where nobody has."""
    if all(label == f"LABEL_{index}" for index, label in enumerate(labels)):
        return (
            f"labels: {labels[0]} to {labels[-1]}, which nobody has named: 'labels: […]' under "
            "'task:' in model.yaml does"
        )
    if len(labels) > MANY_LABELS:
        return f"{len(labels)} labels, from {labels[0]!r} to {labels[-1]!r}"
    return f"labels: {', '.join(labels)}"


def describe_tokenizer(
    config: Mapping[str, Any], tokenizer: Mapping[str, Any], fixed: Sequence[int]
) -> str:
    """Describe the tokenizer by the longest text that it makes, or that the graph takes."""
    lengths = (
        tokenizer.get("model_max_length"),
        config.get("max_position_embeddings"),
        config.get("n_positions"),
        *fixed,
    )
    known = [int(n) for n in lengths if isinstance(n, int | float) and 0 < n < 10**9]
    if not known:
        return f"tokenizer: {TOKENIZER}, texts of any length"
    return f"tokenizer: {TOKENIZER}, texts of at most {min(known)} tokens; what is longer is cut"
