"""Make up passengers, train the network on them, and export its bundle."""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

sys.path.append(str(Path(__file__).resolve().parents[2]))  # the repository, wherever we start

from models import golden

HERE = Path(__file__).resolve().parent
SEED = 0
OPSETS = {"": 21, "ai.onnx.ml": 3}
PASSENGERS, HELD_OUT = 1500, 63
COLUMNS = {
    "class": Int64TensorType([None, 1]),
    "sex": StringTensorType([None, 1]),
    "age": FloatTensorType([None, 1]),
    "siblings": FloatTensorType([None, 1]),
    "parents": FloatTensorType([None, 1]),
    "fare": FloatTensorType([None, 1]),
    "embarked": StringTensorType([None, 1]),
}
LABELS = ["died", "survived"]

Rows = npt.NDArray[np.object_]
"""Passengers, a column for each of ``COLUMNS``; a missing number is NaN, a missing text empty."""
Fates = npt.NDArray[np.str_]


def made_up() -> tuple[Rows, Fates]:
    """Draw passengers and what became of them; a few cells are missing, as in a real list."""
    random = np.random.default_rng(SEED)
    count = PASSENGERS
    rank = random.choice([1, 2, 3], count, p=[0.24, 0.21, 0.55])
    woman = random.random(count) < 0.36
    age = np.clip(random.gamma(5, 6, count), 0.5, 80).round(1)
    siblings, parents = random.poisson(0.5, count), random.poisson(0.4, count)
    fare = (random.gamma(2, 8, count) * np.array([0, 5, 1.6, 0.8])[rank] + 5).round(2)
    harbour = random.choice(["Southampton", "Cherbourg", "Queenstown"], count, p=[0.72, 0.19, 0.09])
    chances = 2.4 * woman - 0.9 * (rank - 2) + 1.2 * (age < 12) - 0.02 * age - 0.2 * siblings - 0.8
    survived = random.random(count) < 1 / (1 + np.exp(-chances))
    rows = np.empty((count, len(COLUMNS)), np.object_)
    sex = np.where(woman, "female", "male")
    for index, own in enumerate((rank, sex, age, siblings, parents, fare, harbour)):
        rows[:, index] = own.tolist()
    rows[random.random(count) < 0.2, 2] = np.nan
    rows[random.random(count) < 0.01, 5] = np.nan
    rows[random.random(count) < 0.01, 6] = ""
    return rows, np.where(survived, *LABELS[::-1])


def measured() -> tuple[Rows, Rows, Fates, Fates]:
    """Split the passengers into training and held-out rows, then their fates likewise."""
    rows, fates = made_up()
    return rows[HELD_OUT:], rows[:HELD_OUT], fates[HELD_OUT:], fates[:HELD_OUT]


def train(rows: Rows, fates: Fates) -> Pipeline:
    """Fill in what is missing, encode, scale, and train two hidden layers."""
    text = make_pipeline(
        SimpleImputer(missing_values="", strategy="most_frequent"),
        OneHotEncoder(handle_unknown="ignore"),
    )
    number = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    prepare = ColumnTransformer(
        [
            ("class", OneHotEncoder(), [0]),
            ("texts", text, [1, 6]),
            ("numbers", number, [2, 3, 4, 5]),
        ]
    )
    network = MLPClassifier((16, 8), alpha=0.1, early_stopping=True, random_state=SEED)
    model: Pipeline = make_pipeline(prepare, network)
    return model.fit(rows, fates)


def export(model: Pipeline) -> ModelProto:
    """Convert to ONNX, an input for each column."""
    graph: ModelProto = convert_sklearn(
        model,
        name="titanic",
        initial_types=list(COLUMNS.items()),
        options={id(model[-1]): {"zipmap": False}},
        target_opset=OPSETS,
    )
    return graph


def requested(rows: Rows) -> list[dict[str, Any]]:
    """Give rows as a caller sends them: what is missing is null."""
    return [
        {
            name: None if cell == "" or cell != cell else cell
            for name, cell in zip(COLUMNS, row, strict=True)
        }
        for row in rows.tolist()
    ]


def expected(model: Pipeline, rows: Rows) -> list[dict[str, Any]]:
    """Give what scikit-learn's own model answers."""
    answers = []
    for label, row in zip(model.predict(rows), model.predict_proba(rows).tolist(), strict=True):
        probabilities = dict(zip(LABELS, row, strict=True))
        answers.append(
            {"label": label, "score": probabilities[label], "probabilities": probabilities}
        )
    return answers


def build(folder: Path = HERE) -> str:
    """Write the bundle's built files and say what they are worth."""
    started = time.perf_counter()
    rows, held_out, fates, held_out_fates = measured()
    model = train(rows, fates)
    sent, answers = requested(held_out), expected(model, held_out)
    golden.write_task(folder / "golden.jsonl", sent, answers, probabilities=True)
    size = (folder / "model.onnx").write_bytes(export(model).SerializeToString())
    score = model.score(held_out, held_out_fates)
    return (
        f"titanic: accuracy {score:.3f} on {len(held_out)} held-out passengers, all made up, "
        f"{size / 1e3:.0f} kB, {time.perf_counter() - started:.2f} s"
    )


if __name__ == "__main__":
    print(build())
