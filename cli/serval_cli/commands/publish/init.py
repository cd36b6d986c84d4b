"""``serval init``: create a bundle."""

import importlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from serval.batch.input.columns import ColumnChoice
from serval.bundles.bundle import MODEL_YAML
from serval.bundles.verification.randomness import random_operators
from serval.bundles.verification.served import README
from serval.models.storage import BARE_ARTIFACT, MODEL_NAME, MODEL_NAME_EXPECTED
from serval.models.tensor import Tensor
from serval_cli.bundle.handler_source import handler_in, make_handler_bundle
from serval_cli.bundle.language_model import is_language_model, make_server_bundle
from serval_cli.bundle.questions import ask_name, ask_source, can_ask, choice_of
from serval_cli.bundle.samples.files import read_sample
from serval_cli.bundle.samples.tables import name_columns
from serval_cli.bundle.skeleton import (
    GOLDEN,
    Graph,
    new_folder,
    write_model_yaml,
    write_readme,
)
from serval_cli.bundle.sources import Source, SourceChoices, read_source
from serval_cli.failures import CommandFailed
from serval_cli.options import JsonOption, SamplePositionalOption, new_app
from serval_cli.output import note, show
from serval_cli.views import models as views

app = new_app()
Inputs = Sequence[Tensor]


@app.command()
def init(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", show_default=False, help="What clients will call; else it is asked."
        ),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="PATH",
            help="ONNX file, with its external data beside it; a folder that transformers, optimum "
            "or sentence-transformers exported, or with a language model's safetensors; a model of "
            "scikit-learn, XGBoost, LightGBM, CatBoost or MLflow; a .pt2 of PyTorch, a .keras or a "
            "SavedModel.",
        ),
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
            help="Real inputs for a golden request: .npy, .npz, .json, .csv or an image; with a "
            "task, what that takes. May be repeated.",
        ),
    ] = None,
    positional: SamplePositionalOption = False,
    task: Annotated[
        str | None,
        typer.Option(
            "--task",
            metavar="TASK",
            show_default=False,
            help="What the model does, where its folder does not tell; see docs/tasks.md.",
        ),
    ] = None,
    graph_file: Annotated[
        str | None,
        typer.Option(
            "--graph",
            metavar="NAME",
            show_default=False,
            help="Which graph of the folder to take; else model.onnx.",
        ),
    ] = None,
    trust: Annotated[
        bool,
        typer.Option("--trust", help="Load what may run code: a pickle (.joblib, .pkl), a .pt2."),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Install missing converters without asking.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a bundle from what you have.

    An ONNX file is copied as model.onnx, with its external data, beside a model.yaml, a README.md
    and, if ONNX Runtime is installed, a golden.jsonl with one request that the model has answered.
    Of an exported folder, the task is found, and the files that it reads are copied too.

    Without NAME, on a terminal, it asks what you have.
    """
    if name is None:
        if not can_ask():
            raise typer.BadParameter("NAME expected: nobody can be asked without a terminal")
        source = source or ask_source()
        name = ask_name(source)
    if not MODEL_NAME.fullmatch(name):
        raise CommandFailed(f"{name!r} is not a model name: expected {MODEL_NAME_EXPECTED}")
    target = folder or Path(name)
    if source is not None and (files := make_without_graph(name, source, target)) is not None:
        made = {"model": name, "folder": str(target), "files": files}
        show(made, views.skeleton, as_json=as_json)
        return
    with TemporaryDirectory(prefix="serval-init-") as scratch:
        choices = SourceChoices(
            Path(scratch),
            graph_file,
            task,
            choice_of("graph"),
            samples=sample or (),
            positional=positional,
            trust=trust,
            yes=yes,
        )
        found = None if source is None else read_source(source, choices)
        graph = None if found is None else found.graph
        own_golden = found is not None and (found.golden is not None or found.examples is not None)
        files_of_tensors = [] if own_golden else sample or []
        columns: dict[str, Sequence[str]] = {}
        if graph is not None and not positional:
            columns = name_columns(graph.signature.inputs, files_of_tensors)
        columns |= {} if found is None else found.columns
        choice = ColumnChoice({}, columns, positional)
        samples = [*sample_inputs(graph, files_of_tensors, choice)]
        with new_folder(target) as aside:
            files = write_bundle(aside, name, found, samples, columns)
    for remark in list_remarks(found) if found else ():
        note(remark)
    if graph is None:
        note(f"put the model's ONNX file at {target / BARE_ARTIFACT}")
    show({"model": name, "folder": str(target), "files": files}, views.skeleton, as_json=as_json)


def make_without_graph(name: str, source: Path, target: Path) -> list[str] | None:
    """Make the bundle of a handler or of a language model's weights; None: it is another source."""
    if (handler := handler_in(source)) is not None:
        return make_handler_bundle(name, source, handler, target)
    if is_language_model(source):
        note("vLLM is to run it: name its fleet in model.yaml, and deploy before the first push")
        note("for a small one on Lambda, give --from what `optimum-cli export onnx` makes of it")
        return make_server_bundle(name, source, target)
    return None


def list_remarks(source: Source) -> list[str]:
    """Describe what was found, changes to the graph, and what its owner should know about it."""
    return [*source.found, *source.graph.changes, *random_operators(source.graph.model)]


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
    source: Source | None,
    samples: Sequence[Inputs],
    columns: Mapping[str, Sequence[str]],
) -> list[str]:
    """Write the bundle's files and return their names."""
    files = copy_files(source, folder) if source else []
    golden = golden_requests_of(source, folder, samples) if source else None
    texts = {
        MODEL_YAML: write_model_yaml(
            name,
            columns,
            golden=golden is not None,
            real=bool(samples) or bool(source and (source.golden or source.examples)),
            artifact=source.artifact if source else BARE_ARTIFACT,
            task=source.task if source else None,
        ),
        README: write_readme(name, source.graph if source else None),
        **({GOLDEN: golden} if golden else {}),
    }
    for path, text in texts.items():
        (folder / path).write_text(text)
    return [*files, *texts]


def copy_files(source: Source, folder: Path) -> list[str]:
    """Copy a graph and the files beside it, and return their paths in the bundle."""
    copied = source.graph.copy_to(folder, source.artifact)
    for path, original in source.files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(original, folder / path)
    return [*copied, *source.files]


def golden_requests_of(source: Source, folder: Path, samples: Sequence[Inputs]) -> str | None:
    """Return the golden requests that a source brings, or make them of tensors."""
    if source.golden is not None:
        return source.golden
    if source.task is not None and source.examples is not None:
        return make_task_requests(folder, source, source.task, source.examples)
    return make_golden_requests(folder / source.artifact, source.graph, samples)


def make_task_requests(
    folder: Path, source: Source, task: Mapping[str, Any], examples: Sequence[Path]
) -> str | None:
    """Make golden requests in the words of the task, or note why there are none."""
    try:
        asking = importlib.import_module("serval_cli.bundle.task_golden")
    except ModuleNotFoundError as missing:
        note(f"no {GOLDEN}: {missing.name} is not installed")
        return None
    sampling = importlib.import_module("serval_cli.bundle.golden_sample")
    try:
        lines: str = asking.task_lines(folder, source.artifact, task, examples)
    except sampling.NoSample as problem:
        note(f"no {GOLDEN}: {problem}")
        return None
    return lines


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
