"""Train the diabetes regressor and export its bundle: model.onnx and golden.jsonl."""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_diabetes
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.model_selection import train_test_split

sys.path.append(str(Path(__file__).resolve().parents[2]))  # the repository, wherever we start

from models import golden

HERE = Path(__file__).resolve().parent
SEED = 0
OPSETS = {"": 21, "ai.onnx.ml": 3}

Rows = npt.NDArray[np.float32]
Progression = npt.NDArray[np.float64]


def measured() -> tuple[Rows, Rows, Progression, Progression]:
    """Split the 442 patients into training and held-out rows, then their progression likewise."""
    rows, progression = load_diabetes(return_X_y=True, scaled=False)
    split: tuple[Rows, Rows, Progression, Progression] = train_test_split(
        rows.astype(np.float32), progression, test_size=0.2, random_state=SEED
    )
    return split


def train(rows: Rows, progression: Progression) -> GradientBoostingRegressor:
    """Boost shallow trees, few and slow, since there are few patients and much noise."""
    return GradientBoostingRegressor(
        n_estimators=100, learning_rate=0.05, max_depth=2, subsample=0.5, random_state=SEED
    ).fit(rows, progression)


def export(model: GradientBoostingRegressor) -> ModelProto:
    """Convert to ONNX."""
    graph: ModelProto = convert_sklearn(
        model,
        name="diabetes",
        initial_types=[("measurements", FloatTensorType([None, 10]))],
        final_types=[("progression", FloatTensorType([None, 1]))],
        target_opset=OPSETS,
    )
    return graph


def expected(model: GradientBoostingRegressor, rows: Rows) -> dict[str, npt.NDArray[Any]]:
    """Give the output of scikit-learn's own model."""
    return {"progression": model.predict(rows).astype(np.float32).reshape(-1, 1)}


def build(folder: Path = HERE) -> str:
    """Write the bundle's built files and say what they are worth."""
    started = time.perf_counter()
    rows, held_out, progression, held_out_progression = measured()
    model = train(rows, progression)
    golden.write(folder / "golden.jsonl", {"measurements": held_out}, expected(model, held_out))
    size = (folder / "model.onnx").write_bytes(export(model).SerializeToString())
    score = model.score(held_out, held_out_progression)
    return (
        f"diabetes: R² {score:.3f} on {len(held_out)} held-out rows, "
        f"{size / 1e3:.0f} kB, {time.perf_counter() - started:.2f} s"
    )


if __name__ == "__main__":
    print(build())
