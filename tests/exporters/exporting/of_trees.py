"""Boosted trees: XGBoost and LightGBM by onnxmltools, CatBoost by itself; with their defaults."""

from pathlib import Path
from typing import Any

import numpy as np
from catboost import CatBoostClassifier, CatBoostRegressor
from lightgbm import LGBMClassifier, LGBMRegressor
from onnxmltools import convert_lightgbm, convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from sklearn.datasets import load_diabetes, load_iris
from xgboost import XGBClassifier, XGBRegressor

from tests.exporters.exporting.exported import SEED, keep

KINDS = [("x", FloatTensorType([None, 4]))]


def flowers() -> tuple[Any, Any, Any]:
    x, y = load_iris(return_X_y=True)
    x = x.astype(np.float32)
    return x, y, x[::30]


def values() -> tuple[Any, Any, Any]:
    x, y = load_diabetes(return_X_y=True)
    x = x[:, :4].astype(np.float32)
    return x, y, x[::90]


def classifier(model: Any, convert: Any) -> Any:
    def export(folder: Path) -> None:
        x, y, asked = flowers()
        model.fit(x, y)
        made = convert(model, initial_types=KINDS)
        (folder / "model.onnx").write_bytes(made.SerializeToString())
        keep(folder, {"x": asked}, [model.predict(asked), model.predict_proba(asked)])

    return export


def regressor(model: Any, convert: Any) -> Any:
    def export(folder: Path) -> None:
        x, y, asked = values()
        model.fit(x, y)
        made = convert(model, initial_types=KINDS)
        (folder / "model.onnx").write_bytes(made.SerializeToString())
        keep(folder, {"x": asked}, [model.predict(asked)[:, None]])

    return export


CAT = {"iterations": 10, "random_seed": SEED, "verbose": 0, "allow_writing_files": False}


def cat_classifier(labels: Any) -> Any:
    def export(folder: Path) -> None:
        x, y, asked = flowers()
        model = CatBoostClassifier(**CAT).fit(x, labels(y))
        model.save_model(str(folder / "model.onnx"), format="onnx")
        label = model.predict(asked).reshape(-1)
        keep(folder, {"features": asked}, [label, model.predict_proba(asked)])

    return export


def cat_regressor(folder: Path) -> None:
    x, y, asked = values()
    model = CatBoostRegressor(**CAT).fit(x, y)
    model.save_model(str(folder / "model.onnx"), format="onnx")
    keep(folder, {"features": asked}, [model.predict(asked)[:, None]])


NAMES = np.array(["setosa", "versicolor", "virginica"])
EXPORTS = {
    "xgboost-classifier": classifier(XGBClassifier(n_estimators=10), convert_xgboost),
    "xgboost-regressor": regressor(XGBRegressor(n_estimators=10), convert_xgboost),
    "lightgbm-classifier": classifier(
        LGBMClassifier(n_estimators=10, verbosity=-1, random_state=SEED), convert_lightgbm
    ),
    "lightgbm-regressor": regressor(
        LGBMRegressor(n_estimators=10, verbosity=-1, random_state=SEED), convert_lightgbm
    ),
    "catboost-classifier": cat_classifier(lambda y: y),
    "catboost-names": cat_classifier(lambda y: NAMES[y]),
    "catboost-regressor": cat_regressor,
}
