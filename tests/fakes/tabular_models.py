"""Small models of scikit-learn over mixed columns, as their owners would save them.

Whoever collects tests imports this; scikit-learn is imported by what makes a model of it.
"""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from serval_cli.commands.publish.init import init

ROWS = 60


def customers() -> pl.DataFrame:
    random = np.random.default_rng(7)
    return pl.DataFrame(
        {
            "city": random.choice(["Bern", "Genève"], ROWS),
            "years here": random.integers(1, 4, ROWS),
            "age": random.integers(18, 90, ROWS).astype(float),
            "note": random.choice(["a", "b"], ROWS),
        }
    )


def churn(frame: pl.DataFrame) -> Any:
    settled = frame["age"].to_numpy() + 20 * (frame["city"].to_numpy() == "Bern")
    return np.where(settled > 60, "stays", "left")


def mixed_pipeline() -> Any:
    """Train a pipeline of text, category and number; the column ``note`` is dropped."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frame = customers()
    words = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder())
    prepare = ColumnTransformer(
        [
            ("words", words, ["city"]),
            ("years", OneHotEncoder(handle_unknown="ignore"), ["years here"]),
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["age"]),
        ]
    )
    return make_pipeline(prepare, LogisticRegression()).fit(frame, churn(frame))


def write_sample(path: Path) -> Path:
    """Write twenty customers, with what the model is to find."""
    frame = customers()
    frame.with_columns(churn=pl.Series(churn(frame))).head(20).write_csv(path)
    return path


def save(model: Any, path: Path) -> Path:
    import joblib

    joblib.dump(model, path)
    return path


def make(tmp_path: Path, source: Path, *samples: Path, trust: bool = True) -> Path:
    init("mine", source, tmp_path / "made", list(samples), trust=trust, as_json=True)
    return tmp_path / "made"
