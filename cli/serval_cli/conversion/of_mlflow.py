"""``serval init --from`` of a model folder of MLflow, which is read without MLflow."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from serval.foreign import refusing
from serval_cli.bundle.skeleton import read_graph
from serval_cli.bundle.sources import Source, SourceChoices
from serval_cli.conversion.of_catboost import read_catboost
from serval_cli.conversion.of_lightgbm import read_lightgbm
from serval_cli.conversion.of_sklearn import ColumnHints, read_pickled
from serval_cli.conversion.of_xgboost import read_xgboost
from serval_cli.conversion.original import ColumnKind
from serval_cli.conversion.packages import require_extra
from serval_cli.failures import CommandFailed

MLMODEL = "MLmodel"
FLAVOURS: Mapping[str, tuple[str, str]] = {
    "sklearn": ("pickled_model", "model.pkl"),
    "xgboost": ("data", "model.xgb"),
    "lightgbm": ("data", "model.lgb"),
    "catboost": ("data", "model.cb"),
    "onnx": ("data", "model.onnx"),
}
"""Flavour → its key that names the model's file, and the file if it has no such key."""
READERS: Mapping[str, Callable[[Path, SourceChoices], Source]] = {
    "xgboost": read_xgboost,
    "lightgbm": read_lightgbm,
    "catboost": read_catboost,
}
PICKLES = (".pkl", ".pickle", ".joblib")


def read_mlflow(folder: Path, choices: SourceChoices) -> Source:
    """Read the model of a folder by the first flavour that Serval knows.

    Its signature names columns that the model does not, and its input example is the sample unless
    there is another.

    Raises
    ------
    CommandFailed
        If there is no such flavour.
    """
    document = read_document(folder / MLMODEL)
    flavours = document.get("flavors") or {}
    flavour = next((name for name in FLAVOURS if name in flavours), None)
    if flavour is None:
        raise CommandFailed(
            f"{folder / MLMODEL} has the flavours {', '.join(flavours)}: one of "
            f"{', '.join(FLAVOURS)} expected"
        )
    key, usual = FLAVOURS[flavour]
    path = folder / str(flavours[flavour].get(key, usual))
    if not path.is_file():
        raise CommandFailed(f"{folder / MLMODEL}: {key}: {path} is not a file")
    hints = read_hints(document)
    if flavour == "onnx":
        graph = read_graph(path)
        widths = {spec.name: spec.shape[1:] for spec in graph.signature.inputs}
        fits = [name for name, shape in widths.items() if shape == (len(hints.names),)]
        alone = len(widths) == len(fits) == 1 and len(hints.names) > 1
        return Source(graph, columns={fits[0]: hints.names} if alone else {})
    example = find_example(folder, document)
    if not choices.samples and example is not None:
        choices = replace(choices, samples=[example])
    if flavour == "sklearn" or path.suffix in PICKLES:
        if choices.trust and flavours[flavour].get("serialization_format") == "cloudpickle":
            require_extra("mlflow", str(folder), yes=choices.yes)
        return read_pickled(path, choices, hints)
    return READERS[flavour](path, choices)


def read_document(path: Path) -> dict[str, Any]:
    """Read ``MLmodel``, which is YAML."""
    with refusing(lambda said: CommandFailed(f"{path} is not YAML: {said}")):
        document = yaml.safe_load(path.read_bytes())
    if not isinstance(document, dict):
        raise CommandFailed(f"{path}: a mapping expected")
    return document


def read_hints(document: Mapping[str, Any]) -> ColumnHints:
    """Read the names and types of columns from a signature; tensors have none."""
    written = (document.get("signature") or {}).get("inputs")
    with refusing(lambda said: CommandFailed(f"{MLMODEL}: signature: {said}")):
        inputs = json.loads(written) if written else []
        named = [one for one in inputs if isinstance(one.get("name"), str)]
        if len(named) < len(inputs) or any(one.get("type") == "tensor" for one in inputs):
            return ColumnHints()
    kinds: dict[str, ColumnKind] = {
        one["name"]: "text" if one.get("type") == "string" else "number" for one in named
    }
    return ColumnHints(list(kinds), kinds)


def find_example(folder: Path, document: Mapping[str, Any]) -> Path | None:
    """Return the input example, if it is a table with named columns."""
    about = document.get("saved_input_example_info") or {}
    path = folder / str(about.get("artifact_path", "input_example.json"))
    return path if about.get("type") == "dataframe" and path.is_file() else None
