"""``serval init --from`` of XGBoost's files: ``.json`` and ``.ubj``."""

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
from serval_cli.conversion.original import CLASSIFICATION, REGRESSION, Original, OriginalColumn
from serval_cli.conversion.packages import require_extra
from serval_cli.conversion.sample_rows import read_sample_rows
from serval_cli.conversion.sklearn_graph import MATRIX
from serval_cli.failures import CommandFailed

CLASSIFIES = ("binary:logistic", "binary:logitraw", "multi:softprob", "multi:softmax")
REFUSED = ("rank:", "survival:", "binary:hinge")


def read_xgboost(path: Path, choices: SourceChoices) -> Source:
    """Read a model that XGBoost saved."""
    require_extra("xgboost", str(path), yes=choices.yes)
    rows = read_sample_rows(choices.samples)
    return build_source(path, describe_model(load_model(path)), rows, choices)


def load_model(path: Path) -> Any:
    """Load a file as the classifier or regressor that its objective makes it.

    Raises
    ------
    CommandFailed
        If it is none.
    """
    xgboost = import_module("xgboost")
    with refusing(lambda said: CommandFailed(f"{path} is no model of XGBoost: {said}")):
        booster = xgboost.Booster(model_file=str(path))
    objective = objective_of(booster)
    if objective.startswith(REFUSED):
        raise CommandFailed(f"{path}: objective {objective!r}: a classifier or regressor expected")
    model = xgboost.XGBClassifier() if objective in CLASSIFIES else xgboost.XGBRegressor()
    model.load_model(str(path))
    return model


def objective_of(booster: Any) -> str:
    """Return a booster's objective, such as ``binary:logistic``."""
    json = import_module("json")
    return str(json.loads(booster.save_config())["learner"]["objective"]["name"])


def describe_model(model: Any) -> Original:
    """Describe an estimator of XGBoost."""
    booster = model.get_booster()
    names = list(booster.feature_names or [f"f{n}" for n in range(booster.num_features())])
    # Its converter takes no other names than f0, f1, …, which are those without names.
    booster.feature_names = booster.feature_types = None
    columns = [OriginalColumn(name, imputed=True) for name in names]
    labels = [str(one) for one in model.classes_] if hasattr(model, "classes_") else None
    return Original(
        about=f"a {type(model).__name__} of XGBoost",
        task=REGRESSION if labels is None else CLASSIFICATION,
        columns=columns,
        predict=lambda rows: answers_of(model, make_array(columns, rows).astype(np.float32)),
        convert=lambda _: convert_model(model, len(columns)),
        labels=labels,
    )


def convert_model(model: Any, count: int) -> ModelProto:
    """Convert by onnxmltools."""
    types = import_module("onnxmltools.convert.common.data_types")
    made: ModelProto = import_module("onnxmltools").convert_xgboost(
        model, initial_types=[(MATRIX, types.FloatTensorType([None, count]))]
    )
    return made
