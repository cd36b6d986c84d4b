"""``serval init --from`` of LightGBM's ``.txt``."""

import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto

from serval.foreign import refusing
from serval_cli.bundle.sources import Source, SourceChoices
from serval_cli.conversion.build import build_source
from serval_cli.conversion.frames import make_array
from serval_cli.conversion.of_sklearn import answers_of
from serval_cli.conversion.original import (
    CLASSIFICATION,
    REGRESSION,
    Original,
    OriginalAnswers,
    OriginalColumn,
    Rows,
)
from serval_cli.conversion.packages import require_extra
from serval_cli.conversion.sample_rows import read_sample_rows
from serval_cli.conversion.sklearn_graph import MATRIX
from serval_cli.failures import CommandFailed

CLASSIFIES = ("binary", "multiclass", "multiclassova")
REFUSED = ("lambdarank", "rank_xendcg")


def read_lightgbm(path: Path, choices: SourceChoices) -> Source:
    """Read a model that LightGBM saved."""
    require_extra("lightgbm", str(path), yes=choices.yes)
    with refusing(lambda said: CommandFailed(f"{path} is no model of LightGBM: {said}")):
        booster = import_module("lightgbm").Booster(model_file=str(path))
    rows = read_sample_rows(choices.samples)
    return build_source(path, describe_booster(path, booster), rows, choices)


def describe_booster(path: Path, booster: Any) -> Original:
    """Describe a booster, whose classes have no names but their numbers.

    Raises
    ------
    CommandFailed
        If it ranks.
    """
    objective = str(booster.dump_model(num_iteration=1).get("objective", "")).split(" ")[0]
    if objective in REFUSED:
        raise CommandFailed(f"{path}: objective {objective!r}: a classifier or regressor expected")
    classifies = objective in CLASSIFIES
    count = max(2, booster.num_model_per_iteration())

    def ask(table: Any) -> OriginalAnswers:
        numbers = booster.predict(table)
        if not classifies:
            return OriginalAnswers(numbers=numbers)
        sure = np.stack([1 - numbers, numbers], axis=1) if numbers.ndim == 1 else numbers
        return OriginalAnswers([str(best) for best in sure.argmax(axis=1)], sure)

    labels = [str(index) for index in range(count)] if classifies else None
    return _describe(booster, booster, labels, ask)


def describe_model(model: Any) -> Original:
    """Describe an estimator of LightGBM."""
    labels = [str(one) for one in model.classes_] if hasattr(model, "classes_") else None
    return _describe(model, model.booster_, labels, lambda table: answers_of(model, table))


def _describe(
    model: Any,
    booster: Any,
    labels: list[str] | None,
    ask: Callable[[Any], OriginalAnswers],
) -> Original:
    columns = [OriginalColumn(name, imputed=True) for name in booster.feature_name()]

    def predict(rows: Rows) -> OriginalAnswers:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # The graph takes float32: a threshold may lie between a number and its nearest one.
            return ask(make_array(columns, rows).astype(np.float32).astype(np.float64))

    return Original(
        about=f"a {type(model).__name__} of LightGBM",
        task=REGRESSION if labels is None else CLASSIFICATION,
        columns=columns,
        predict=predict,
        convert=lambda _: convert_model(model, len(columns)),
        labels=labels,
    )


def convert_model(model: Any, count: int) -> ModelProto:
    """Convert by onnxmltools."""
    types = import_module("onnxmltools.convert.common.data_types")
    made: ModelProto = import_module("onnxmltools").convert_lightgbm(
        model, initial_types=[(MATRIX, types.FloatTensorType([None, count]))], zipmap=False
    )
    return made
