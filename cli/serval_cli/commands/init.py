"""``serval init``: a bundle skeleton."""

import importlib
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from serval.bundle import MODEL_YAML
from serval.storage import BARE_ARTIFACT, MODEL_NAME
from serval.verification.randomness import random_operators
from serval.verification.served import README
from serval_cli import views
from serval_cli.failures import CommandFailed
from serval_cli.options import JsonOption, new_app
from serval_cli.output import note, show
from serval_cli.skeleton import GOLDEN, Graph, model_yaml, new_folder, read_graph, readme

app = new_app()


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
    as_json: JsonOption = False,
) -> None:
    """Make a bundle from an ONNX file.

    The file is copied as model.onnx, with its external data, beside a model.yaml, a README.md and,
    if ONNX Runtime is installed, a golden.jsonl with one request that the model has answered.
    """
    if not MODEL_NAME.fullmatch(name):
        raise CommandFailed(
            f"{name!r} is no model name: 1 to 63 lower-case letters, digits, '-' or '_' expected, "
            "the first a letter or digit"
        )
    graph = None if source is None else read_graph(source)
    target = folder or Path(name)
    with new_folder(target) as aside:
        files = write(aside, name, graph)
    for remark in remarks(graph) if graph else ():
        note(remark)
    if graph is None:
        note(f"put the model's ONNX file at {target / BARE_ARTIFACT}")
    show({"model": name, "folder": str(target), "files": files}, views.skeleton, as_json=as_json)


def remarks(graph: Graph) -> list[str]:
    """Say what has been changed in a graph, and what its owner should know of it."""
    return [*graph.changes, *random_operators(graph.model)]


def write(folder: Path, name: str, graph: Graph | None) -> list[str]:
    """Write the bundle's files and name them."""
    files = graph.copy_to(folder) if graph else []
    golden = golden_request(folder / BARE_ARTIFACT, graph) if graph else None
    texts = {
        MODEL_YAML: model_yaml(name, golden=golden is not None),
        README: readme(name, graph),
        **({GOLDEN: golden} if golden else {}),
    }
    for path, text in texts.items():
        (folder / path).write_text(text)
    return [*files, *texts]


def golden_request(artifact: Path, graph: Graph) -> str | None:
    """Make a golden request, or say why there is none."""
    if find_spec("onnxruntime") is None:
        note(f"no {GOLDEN}: onnxruntime is not installed")
        return None
    # Not among the CLI's own dependencies.
    sampling = importlib.import_module("serval_cli.golden_sample")
    try:
        line: str = sampling.golden_line(artifact, graph.signature)
    except sampling.NotLoaded as problem:
        raise CommandFailed(f"{graph.path}: {problem}") from problem
    except sampling.NoSample as problem:
        note(f"no {GOLDEN}: {problem}")
        return None
    return line
