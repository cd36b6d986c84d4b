"""Tabular models as their own libraries save them, with a sample and what they answer to it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import joblib
import numpy as np
import pandas as pd
from catboost import CatBoostClassifier, CatBoostRegressor
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from xgboost import XGBClassifier, XGBRegressor

from tests.exporters.exporting.exported import SEED

ROWS = 40
NUMBERS = ["age", "monthly fee", "visits"]


def customers() -> pd.DataFrame:
    """Customers of a gym, some of whom left; some cells are empty."""
    random = np.random.default_rng(SEED)
    count = 300
    frame = pd.DataFrame(
        {
            "age": random.integers(18, 90, count).astype(float),
            "monthly fee": random.normal(50, 10, count).round(2),
            "visits": random.poisson(6, count).astype(float),
            "city": random.choice(["Bern", "Genève", "Zürich"], count),
            "plan": random.choice(["free", "pro"], count),
            "floor": random.integers(0, 4, count),
        }
    )
    left = (frame["visits"] < 5) ^ (frame["plan"] == "pro")
    frame["churn"] = np.where(left, "left", "stayed")
    frame.loc[::17, "age"] = np.nan
    frame.loc[::13, "city"] = None
    return frame


def prepared(final: Any, empty: Any = None, *, scaled: bool = True) -> Any:
    words = make_pipeline(
        empty or SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")
    )
    median = SimpleImputer(strategy="median")
    numbers = make_pipeline(median, StandardScaler()) if scaled else median
    return make_pipeline(
        ColumnTransformer(
            [
                ("words", words, ["city", "plan"]),
                ("floor", OneHotEncoder(handle_unknown="ignore"), ["floor"]),
                ("numbers", numbers, NUMBERS),
            ],
            sparse_threshold=0,
        ),
        final,
    )


def keep(folder: Path, frame: pd.DataFrame, model: Any, table: Any) -> None:
    """Write the sample with its target, and what the model answers."""
    frame[:ROWS].to_csv(folder / "rows.csv", index=False)
    predicted = np.asarray(model.predict(table)).reshape(-1)
    if not hasattr(model, "predict_proba"):
        calls = [{"parameters": {}, "answers": predicted.astype(float).tolist()}]
    else:
        labels, names = list(map(str, predicted)), list(map(str, model.classes_))
        sure = [dict(zip(names, row, strict=True)) for row in model.predict_proba(table).tolist()]
        words = [
            {"label": label, "score": each[label], "probabilities": each}
            for label, each in zip(labels, sure, strict=True)
        ]
        calls = [
            {"parameters": {}, "answers": labels},
            {"parameters": {"probabilities": True}, "answers": words},
        ]
    (folder / "answers.json").write_text(json.dumps(calls))


def pipeline(
    final: Any, empty: Any = None, *, target: str = "churn", **options: Any
) -> Callable[[Path], None]:
    def save(folder: Path) -> None:
        frame = customers()
        y = frame[target] if target == "churn" else frame["visits"] * 2.5 + 1
        if type(final).__name__ == "XGBClassifier":
            y = (y == "left").astype(int)
        model = prepared(final, empty, **options).fit(frame.drop(columns="churn"), y)
        joblib.dump(model, folder / "model.joblib")
        keep(folder, frame, model, frame.drop(columns="churn")[:ROWS])

    return save


def searched(folder: Path) -> None:
    frame = customers()
    table = frame[["city", "plan"]].fillna("nowhere")
    unknown = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    forest = make_pipeline(unknown, RandomForestClassifier(10, random_state=SEED))
    model = GridSearchCV(forest, {"randomforestclassifier__max_depth": [2, 4]}, cv=2)
    model.fit(table, frame["churn"])
    joblib.dump(model, folder / "model.pkl")
    keep(folder, table, model, table[:ROWS])


def numbers(
    model: Any, write: Callable[[Any, Path], None], *, labels: Any = None
) -> Callable[[Path], None]:
    """Train on the columns of numbers, and save as the library does."""

    def save(folder: Path) -> None:
        frame = customers()
        table = frame[NUMBERS].rename(columns={"monthly fee": "fee"})
        y = frame["floor"] if labels is None else np.array(labels)[frame["floor"]]
        if not hasattr(model, "predict_proba"):
            y = frame["age"].fillna(40) * 3 + frame["visits"]
        model.fit(table, y)
        write(model, folder)
        keep(folder, table, model, table[:ROWS])

    return save


def mlflow_sklearn(folder: Path) -> None:
    """Write a folder as ``mlflow.sklearn.save_model`` does."""
    frame = customers()[NUMBERS].fillna(40.0)
    y = frame["age"] + frame["visits"]
    model = make_pipeline(StandardScaler(), Ridge()).fit(frame.to_numpy(), y)
    with (folder / "model.pkl").open("wb") as file:
        cloudpickle.dump(model, file)
    example = frame[:ROWS].to_dict(orient="split")
    (folder / "input_example.json").write_text(
        json.dumps({"columns": example["columns"], "data": example["data"]})
    )
    columns = [{"type": "double", "name": name, "required": True} for name in NUMBERS]
    document = {
        "flavors": {
            "python_function": {"loader_module": "mlflow.sklearn", "model_path": "model.pkl"},
            "sklearn": {"pickled_model": "model.pkl", "serialization_format": "cloudpickle"},
        },
        "saved_input_example_info": {
            "artifact_path": "input_example.json",
            "pandas_orient": "split",
            "type": "dataframe",
        },
        "signature": {"inputs": json.dumps(columns), "outputs": '[{"type": "double"}]'},
    }
    # JSON is YAML.
    (folder / "MLmodel").write_text(json.dumps(document))
    keep(folder, frame, model, frame[:ROWS].to_numpy())


QUIET = {"iterations": 10, "random_seed": SEED, "verbose": 0, "allow_writing_files": False}
LIGHT = {"n_estimators": 10, "verbosity": -1, "random_state": SEED}
FLOORS = ["cellar", "ground", "first", "roof"]
EXPORTS = {
    "tables-sklearn-mixed": pipeline(LogisticRegression()),
    "tables-sklearn-constant": pipeline(
        LogisticRegression(), SimpleImputer(strategy="constant", fill_value="nowhere")
    ),
    "tables-sklearn-numbers": pipeline(Ridge(), target="visits"),
    "tables-sklearn-searched": searched,
    "tables-sklearn-xgboost": pipeline(XGBClassifier(n_estimators=10), scaled=False),
    "tables-sklearn-thresholds": pipeline(XGBClassifier(n_estimators=10)),
    "tables-sklearn-lightgbm": pipeline(LGBMClassifier(**LIGHT)),
    "tables-xgboost-json": numbers(
        XGBClassifier(n_estimators=10), lambda model, at: model.save_model(at / "model.json")
    ),
    "tables-xgboost-ubj": numbers(
        XGBRegressor(n_estimators=10), lambda model, at: model.save_model(at / "model.ubj")
    ),
    "tables-xgboost-booster": numbers(
        XGBClassifier(n_estimators=10),
        lambda model, at: model.get_booster().save_model(at / "model.ubj"),
    ),
    "tables-lightgbm-classifier": numbers(
        LGBMClassifier(**LIGHT), lambda model, at: model.booster_.save_model(at / "model.txt")
    ),
    "tables-lightgbm-regressor": numbers(
        LGBMRegressor(**LIGHT), lambda model, at: model.booster_.save_model(at / "model.txt")
    ),
    "tables-lightgbm-names": numbers(
        LGBMClassifier(**LIGHT),
        lambda model, at: joblib.dump(model, at / "model.pkl"),
        labels=FLOORS,
    ),
    "tables-catboost-names": numbers(
        CatBoostClassifier(**QUIET),
        lambda model, at: model.save_model(str(at / "model.cbm")),
        labels=FLOORS,
    ),
    "tables-catboost-regressor": numbers(
        CatBoostRegressor(**QUIET), lambda model, at: model.save_model(str(at / "model.cbm"))
    ),
    "tables-mlflow-sklearn": mlflow_sklearn,
}
