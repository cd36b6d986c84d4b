"""scikit-learn by skl2onnx, with its defaults: strings, ZipMap, locales, several outputs."""

from pathlib import Path
from typing import Any

import numpy as np
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_iris, make_multilabel_classification
from sklearn.ensemble import GradientBoostingRegressor, IsolationForest, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from tests.exporters.exporting.exported import SEED, keep

# What skl2onnx takes for words has no other letters.
TEXTS = ["Great Film, loved it", "AWFUL plot, hated it", "Fine CAST, loved", "dull, hated"] * 10
MOODS = ["pos", "neg", "pos", "neg"] * 10


def write(folder: Path, model: Any, types: list[Any], **options: Any) -> None:
    """Convert with the defaults of the converter."""
    (folder / "model.onnx").write_bytes(
        to_onnx(model, initial_types=types, **options).SerializeToString()
    )


def columns_of_strings(folder: Path) -> None:
    import pandas as pd

    random = np.random.default_rng(SEED)
    frame = pd.DataFrame(
        {
            "city": random.choice(["Bern", "Genève", "Zürich"], 200),
            "plan": random.choice(["free", "pro"], 200),
            "age": random.integers(18, 90, 200).astype(np.float32),
        }
    )
    churn = np.where(frame["age"] + 30 * (frame["plan"] == "pro") > 70, "stays", "leaves")
    prepare = ColumnTransformer(
        [("words", OneHotEncoder(), ["city", "plan"]), ("numbers", StandardScaler(), ["age"])]
    )
    model = make_pipeline(prepare, LogisticRegression()).fit(frame, churn)
    kinds = [
        ("city", StringTensorType([None, 1])),
        ("plan", StringTensorType([None, 1])),
        ("age", FloatTensorType([None, 1])),
    ]
    write(folder, model, kinds)
    rows = frame[:5]
    inputs = {name: rows[[name]].to_numpy() for name in frame}
    keep(folder, inputs, [model.predict(rows), model.predict_proba(rows)])


def text(vectorizer: Any, classifier: Any) -> Any:
    def export(folder: Path) -> None:
        model = make_pipeline(vectorizer, classifier).fit(TEXTS, MOODS)
        write(folder, model, [("text", StringTensorType([None]))])
        asked = ["LOVED the Cast", "awful AWFUL plot", ""]
        keep(folder, {"text": asked}, [model.predict(asked), model.predict_proba(asked)])

    return export


def flowers(model: Any) -> Any:
    def export(folder: Path) -> None:
        x, y = load_iris(return_X_y=True)
        x = x.astype(np.float32)
        model.fit(x, y)
        write(folder, model, [("x", FloatTensorType([None, 4]))])
        keep(folder, {"x": x[::30]}, [model.predict(x[::30]), model.predict_proba(x[::30])])

    return export


def several_labels(folder: Path) -> None:
    x, y = make_multilabel_classification(random_state=SEED, n_features=6, n_classes=3)
    x = x.astype(np.float32)
    model = MultiOutputClassifier(LogisticRegression()).fit(x, y)
    write(folder, model, [("x", FloatTensorType([None, 6]))], options={"zipmap": False})
    keep(folder, {"x": x[:4]}, [model.predict(x[:4]), *model.predict_proba(x[:4])])


def doubles(folder: Path) -> None:
    x, y = load_diabetes(return_X_y=True)
    model = GradientBoostingRegressor(random_state=SEED, n_estimators=20).fit(x, y)
    write(folder, model, [("x", DoubleTensorType([None, 10]))])
    keep(folder, {"x": x[:4]}, [model.predict(x[:4])[:, None]])


def outliers(folder: Path) -> None:
    x = load_iris().data.astype(np.float32)
    model = IsolationForest(random_state=SEED, n_estimators=10).fit(x)
    write(
        folder, model, [("x", FloatTensorType([None, 4]))], target_opset={"": 18, "ai.onnx.ml": 3}
    )
    keep(
        folder,
        {"x": x[:4]},
        [model.predict(x[:4])[:, None], model.decision_function(x[:4])[:, None]],
    )


EXPORTS = {
    "sklearn-strings": columns_of_strings,
    "sklearn-tfidf": text(TfidfVectorizer(), LogisticRegression()),
    "sklearn-count": text(CountVectorizer(ngram_range=(1, 2)), MultinomialNB()),
    "sklearn-forest": flowers(RandomForestClassifier(10, random_state=SEED)),
    "sklearn-neighbours": flowers(KNeighborsClassifier()),
    "sklearn-several-labels": several_labels,
    "sklearn-doubles": doubles,
    "sklearn-outliers": outliers,
}
