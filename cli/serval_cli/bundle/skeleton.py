"""Create a bundle's folder, with or without an ONNX file."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from onnx import ModelProto

from serval.bundles.bundle import MODEL_YAML
from serval.bundles.verification.external_data import external_files
from serval.bundles.verification.files import pickle_reasons
from serval.bundles.verification.graph import load_graph
from serval.bundles.verification.graph_signature import signature_of
from serval.bundles.verification.served import README
from serval.errors import BundleRefused
from serval.models.signature import Signature, TensorSpec
from serval.models.storage import BARE_ARTIFACT
from serval_cli.bundle.folder import size_of
from serval_cli.bundle.graph_check import external_sizes, model_reasons
from serval_cli.bundle.graph_locales import use_locales_of_lambda
from serval_cli.bundle.graph_tails import end_in_tensors, labels_of
from serval_cli.failures import CommandFailed

GOLDEN = "golden.jsonl"

MODEL_YAML_TEXT = """\
# What Serval should know of this model. Only `name` is needed; inputs and outputs are read from
# the graph. docs/model.schema.json has every key.
name: {name}
# description: One line for people
{golden}
# artifact: model.onnx              another name for the file of graph and weights
# compute: {{memory_mib: 3538}}       a function of its own, at the next deploy
"""
WITH_GOLDEN = """\
# Requests and the outputs that they should give. The inputs made here mean nothing: put
# held-out data in its place.
golden: golden.jsonl"""
REAL_GOLDEN = """\
# Requests and the outputs that they should give: here, what this model itself answers.
golden: golden.jsonl"""
WITHOUT_GOLDEN = "# golden: golden.jsonl             requests and the outputs that they should give"

TASK_TEXT = """\
# What callers send and get: docs/tasks.md has every task, and the keys that may stand below it.
"""

COLUMNS_TEXT = """\
# What columns of tables are called, in the order of the input's elements: check that the model
# was trained in it.
"""


@dataclass(frozen=True, slots=True)
class Graph:
    """An ONNX file that can become a bundle."""

    path: Path
    external: tuple[str, ...]
    """Paths of the external data, relative to the file."""
    signature: Signature
    model: ModelProto
    changes: tuple[str, ...] = ()
    """Descriptions of changes to the graph as it stands in the file."""

    def copy_to(self, folder: Path, artifact: str = BARE_ARTIFACT) -> list[str]:
        """Write the graph and its external data, and return the written paths."""
        if self.changes:
            (folder / artifact).write_bytes(self.model.SerializeToString())
        else:
            shutil.copyfile(self.path, folder / artifact)
        for path in self.external:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.path.parent / path, folder / path)
        return [artifact, *self.external]


def read_graph(path: Path) -> Graph:
    """Read an ONNX file, rewriting what a stage could not serve.

    Raises
    ------
    CommandFailed
        If there is no such file.
    BundleRefused
        If the graph could not be published.
    """
    if not path.is_file():
        raise CommandFailed(f"{path} is not a file: an ONNX file expected")
    folder, artifact = path.parent, path.name
    model = load_graph(folder, artifact)
    changes = [*end_in_tensors(model), *use_locales_of_lambda(model)]
    sizes = {artifact: size_of(path), **external_sizes(folder, model, artifact)}
    external = external_files(model, artifact)
    reasons = [*pickle_reasons(external), *model_reasons(artifact, model, sizes)]
    if reasons:
        raise BundleRefused(reasons)
    if taken := {MODEL_YAML, README, GOLDEN, BARE_ARTIFACT} & set(external):
        raise CommandFailed(f"{path}: external data at {', '.join(taken)}: the bundle needs it")
    return Graph(path, external, signature_of(model), model, tuple(changes))


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder whose files move into ``folder`` on success.

    A failure leaves nothing behind.

    Raises
    ------
    CommandFailed
        If the folder is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CommandFailed(f"{folder} is there already: choose another with --dir, or remove it")
    # A rename needs the same file system.
    near = next(place for place in (folder, *folder.absolute().parents) if place.is_dir())
    with TemporaryDirectory(dir=near, prefix=".serval-init-") as aside:
        made = Path(aside) / "bundle"
        made.mkdir()
        yield made
        if not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            made.rename(folder)
            return
        for path in made.iterdir():
            path.rename(folder / path.name)


def write_model_yaml(
    name: str,
    columns: Mapping[str, Sequence[str]],
    *,
    golden: bool,
    real: bool = False,
    artifact: str = BARE_ARTIFACT,
    task: Mapping[str, Any] | None = None,
) -> str:
    """Write ``model.yaml`` with the required keys, and comments for the others."""
    known = (REAL_GOLDEN if real else WITH_GOLDEN) if golden else WITHOUT_GOLDEN
    text = MODEL_YAML_TEXT.format(name=name, golden=known)
    if artifact != BARE_ARTIFACT:
        text += f"artifact: {artifact}\n"
    if task is not None:
        text += write_task(task)
    if not columns:
        return text
    # One line of JSON is valid YAML, whatever characters the names hold.
    own = json.dumps({name: list(each) for name, each in columns.items()}, ensure_ascii=False)
    return f"{text}{COLUMNS_TEXT}columns: {own}\n"


def write_task(task: Mapping[str, Any]) -> str:
    """Write the section ``task:``, in one line if it only has a name."""
    if list(task) == ["name"]:
        return f"{TASK_TEXT}task: {task['name']}\n"
    keys = (f"  {key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in task.items())
    return f"{TASK_TEXT}task:\n{''.join(keys)}"


def write_readme(name: str, graph: Graph | None) -> str:
    """Write a README of about ten lines."""
    about = ["- Its inputs and outputs are read from `model.onnx`; put that file here."]
    if graph is not None:
        signature = graph.signature
        about = [
            *describe_tensors("Input", signature.inputs),
            *describe_tensors("Optional input", signature.optional),
            *describe_tensors("Output", signature.outputs),
            *describe_columns(graph),
        ]
    return "\n".join(
        [
            f"# {name}",
            "",
            "Say here what the model does, and what data it was trained on.",
            "",
            *about,
            "",
            f"`serval push` publishes this folder; `serval describe {name}` shows what is live.",
            "",
        ]
    )


def describe_tensors(role: str, specs: Sequence[TensorSpec]) -> list[str]:
    """Describe tensors, one per line."""
    return [f"- {role} `{s.name}` {s.datatype} {list(s.shape)}" for s in specs]


def describe_columns(graph: Graph) -> list[str]:
    """Describe the labelled columns of outputs, one output per line."""
    found = {s.name: labels_of(graph.model, s.name) for s in graph.signature.outputs}
    return [
        f"- Columns of `{name}`, in order: {', '.join(map(str, labels))}"
        for name, labels in found.items()
        if labels is not None
    ]
