"""``serval init --from`` of CatBoost's ``.cbm``, which CatBoost itself converts."""

from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto

from serval.foreign import refusing
from serval_cli.bundle.sources import Source, SourceChoices
from serval_cli.conversion.build import build_source
from serval_cli.conversion.frames import make_array
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
from serval_cli.failures import CommandFailed


def read_catboost(path: Path, choices: SourceChoices) -> Source:
    """Read a model that CatBoost saved."""
    require_extra("catboost", str(path), yes=choices.yes)
    catboost = import_module("catboost")
    with refusing(lambda said: CommandFailed(f"{path} is no model of CatBoost: {said}")):
        model = catboost.CatBoost().load_model(str(path))
        if len(model.classes_):
            model = catboost.CatBoostClassifier().load_model(str(path))
    rows = read_sample_rows(choices.samples)
    return build_source(path, describe_model(model), rows, choices)


def describe_model(model: Any) -> Original:
    """Describe a model of CatBoost.

    Raises
    ------
    CommandFailed
        If it has features that its ONNX export leaves out.
    """
    if model.get_cat_feature_indices() or model.get_text_feature_indices():
        raise CommandFailed(
            "CatBoost writes no ONNX of a model with categorical or text features: encode them "
            "before training, for example by a pipeline of scikit-learn, or serve it by a "
            "handler.py"
        )
    classes = list(model.classes_)
    columns = [OriginalColumn(str(name), imputed=True) for name in model.feature_names_]

    def predict(rows: Rows) -> OriginalAnswers:
        table = make_array(columns, rows).astype(np.float32)
        if not classes:
            return OriginalAnswers(numbers=model.predict(table))
        labels = [str(one) for one in np.asarray(model.predict(table)).ravel()]
        return OriginalAnswers(labels, model.predict_proba(table))

    return Original(
        about=f"a {type(model).__name__} of CatBoost",
        task=CLASSIFICATION if classes else REGRESSION,
        columns=columns,
        predict=predict,
        convert=lambda _: convert_model(model),
        labels=[str(one) for one in classes] or None,
    )


def convert_model(model: Any) -> ModelProto:
    """Convert by CatBoost itself."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        model.save_model(str(path), format="onnx")
        return onnx.load(path)
