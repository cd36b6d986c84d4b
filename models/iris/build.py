"""Train the iris classifier and export its bundle: model.onnx and golden.jsonl."""

import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

sys.path.append(str(Path(__file__).resolve().parents[2]))  # the repository, wherever we start

from models import golden

HERE = Path(__file__).resolve().parent
SEED = 0
OPSETS = {"": 21, "ai.onnx.ml": 3}

Rows = npt.NDArray[np.float32]
Species = npt.NDArray[np.int64]


def measured() -> tuple[Rows, Rows, Species, Species]:
    """Split Fisher's 150 flowers into training and held-out rows, then their species likewise."""
    rows, species = load_iris(return_X_y=True)
    split: tuple[Rows, Rows, Species, Species] = train_test_split(
        rows.astype(np.float32), species, test_size=0.2, stratify=species, random_state=SEED
    )
    return split


def train(rows: Rows, species: Species) -> CalibratedClassifierCV:
    """Fit an RBF support vector machine, and calibrate its margins into probabilities."""
    return CalibratedClassifierCV(SVC(kernel="rbf"), ensemble=False).fit(rows, species)


def export(model: CalibratedClassifierCV) -> ModelProto:
    """Convert to ONNX, with probabilities as one tensor and not as ZipMap's list of maps."""
    with warnings.catch_warnings():
        # skl2onnx asks every SVC for the calibration that scikit-learn 1.9 deprecates; it is empty.
        warnings.filterwarnings("ignore", "Attribute `prob[AB]_` was deprecated", FutureWarning)
        graph: ModelProto = convert_sklearn(
            model,
            name="iris",
            initial_types=[("measurements", FloatTensorType([None, 4]))],
            options={id(model): {"zipmap": False}},
            target_opset=OPSETS,
        )
    return graph


def expected(model: CalibratedClassifierCV, rows: Rows) -> dict[str, npt.NDArray[Any]]:
    """Give the outputs of scikit-learn's own model."""
    return {
        "label": model.predict(rows),
        "probabilities": model.predict_proba(rows).astype(np.float32),
    }


def build(folder: Path = HERE) -> str:
    """Write the bundle's built files and say what they are worth."""
    started = time.perf_counter()
    rows, held_out, species, held_out_species = measured()
    model = train(rows, species)
    golden.write(folder / "golden.jsonl", {"measurements": held_out}, expected(model, held_out))
    size = (folder / "model.onnx").write_bytes(export(model).SerializeToString())
    accuracy = model.score(held_out, held_out_species)
    return (
        f"iris: accuracy {accuracy:.3f} on {len(held_out)} held-out rows, "
        f"{size / 1e3:.0f} kB, {time.perf_counter() - started:.2f} s"
    )


if __name__ == "__main__":
    print(build())
