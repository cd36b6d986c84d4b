"""``serval init``: create a bundle."""

import importlib
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from serval.batch.input.columns import ColumnChoice
from serval.bundles.bundle import MODEL_YAML
from serval.bundles.verification.randomness import random_operators
from serval.bundles.verification.served import README
from serval.models.storage import BARE_ARTIFACT, MODEL_NAME
from serval.models.tensor import Tensor
from serval_cli.bundle.samples.files import read_sample
from serval_cli.bundle.samples.tables import unnamed_columns
from serval_cli.bundle.skeleton import (
    GOLDEN,
    Graph,
    new_folder,
    read_graph,
    write_model_yaml,
    write_readme,
)
from serval_cli.failures import CommandFailed
from serval_cli.options import JsonOption, SamplePositionalOption, new_app
from serval_cli.output import note, show
from serval_cli.views import models as views

app = new_app()
Inputs = Sequence[Tensor]


@app.command()
def init(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What clients will call.")],
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="ONNX file, with its external data beside it."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--dir", metavar="FOLDER", help="Where to make it; without it ./NAME."),
    ] = None,
    sample: Annotated[
        list[Path] | None,
        typer.Option(
            "--sample",
            metavar="FILE",
            help="Real inputs for a golden request: .npy, .npz, .json, .csv or an image. "
            "May be repeated.",
        ),
    ] = None,
    positional: SamplePositionalOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make a bundle from an ONNX file.

    The file is copied as model.onnx, with its external data, beside a model.yaml, a README.md and,
    if ONNX Runtime is installed, a golden.jsonl with one request that the model has answered.
    """
    if not MODEL_NAME.fullmatch(name):
        raise CommandFailed(
            f"{name!r} is not a model name: 1 to 63 lower-case letters, digits, '-' or '_' "
            "expected, the first a letter or digit"
        )
    graph = None if source is None else read_graph(source)
    columns = {} if positional else named_columns(graph, sample or [])
    samples = [*sample_inputs(graph, sample or [], ColumnChoice({}, columns, positional))]
    target = folder or Path(name)
    with new_folder(target) as aside:
        files = write_bundle(aside, name, graph, samples, columns)
    for remark in list_remarks(graph) if graph else ():
        note(remark)
    if graph is None:
        note(f"put the model's ONNX file at {target / BARE_ARTIFACT}")
    show({"model": name, "folder": str(target), "files": files}, views.skeleton, as_json=as_json)


def list_remarks(graph: Graph) -> list[str]:
    """Describe changes to a graph, and what its owner should know about it."""
    return [*graph.changes, *random_operators(graph.model)]


def named_columns(graph: Graph | None, files: Sequence[Path]) -> dict[str, tuple[str, ...]]:
    """Take the names of an input's elements from the first table's header, and note them."""
    tables = [path for path in files if path.is_file() and path.suffix.lower() == ".csv"]
    if graph is None or not tables:
        return {}
    found = unnamed_columns(tables[0], graph.signature.inputs, ColumnChoice())
    for name, own in found.items():
        note(
            f"columns of {name} are taken to be {', '.join(own)}, in this order: check that the "
            "model was trained in it"
        )
    return found


def sample_inputs(
    graph: Graph | None, files: Sequence[Path], choice: ColumnChoice
) -> Iterator[Inputs]:
    """Read the samples, one request each."""
    if not files:
        return
    if graph is None:
        raise CommandFailed("--sample needs --from: the inputs are those of a graph")
    if find_spec("onnxruntime") is None:
        raise CommandFailed("--sample needs onnxruntime, which answers: `pip install onnxruntime`")
    for path in files:
        yield read_sample(path, graph.signature, choice)


def write_bundle(
    folder: Path,
    name: str,
    graph: Graph | None,
    samples: Sequence[Inputs],
    columns: Mapping[str, Sequence[str]],
) -> list[str]:
    """Write the bundle's files and return their names."""
    files = graph.copy_to(folder) if graph else []
    golden = make_golden_requests(folder / BARE_ARTIFACT, graph, samples) if graph else None
    texts = {
        MODEL_YAML: write_model_yaml(name, columns, golden=golden is not None, real=bool(samples)),
        README: write_readme(name, graph),
        **({GOLDEN: golden} if golden else {}),
    }
    for path, text in texts.items():
        (folder / path).write_text(text)
    return [*files, *texts]


def make_golden_requests(artifact: Path, graph: Graph, samples: Sequence[Inputs]) -> str | None:
    """Make golden requests, or note why there are none."""
    if find_spec("onnxruntime") is None:
        note(f"no {GOLDEN}: onnxruntime is not installed")
        return None
    # onnxruntime is not a dependency of the CLI.
    sampling = importlib.import_module("serval_cli.bundle.golden_sample")
    try:
        lines: str = sampling.golden_lines(artifact, graph.signature, samples)
    except sampling.NotLoaded as problem:
        raise CommandFailed(f"{graph.path}: {problem}") from problem
    except sampling.NoSample as problem:
        if samples:
            raise CommandFailed(f"no {GOLDEN}: {problem}") from problem
        note(f"no {GOLDEN}: {problem}")
        return None
    return lines
