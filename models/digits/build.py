"""Train the digits classifier and export its bundle: model.onnx and golden.jsonl."""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

sys.path.append(str(Path(__file__).resolve().parents[2]))  # the repository, wherever we start

from models import golden

HERE = Path(__file__).resolve().parent
SEED = 0
OPSETS = {"": 21, "ai.onnx.ml": 3}

Images = npt.NDArray[np.float32]
Digits = npt.NDArray[np.int64]


def measured() -> tuple[Images, Images, Digits, Digits]:
    """Split the 1797 images into training and held-out ones, then their digits likewise."""
    images, digits = load_digits(return_X_y=True)
    split: tuple[Images, Images, Digits, Digits] = train_test_split(
        images.astype(np.float32), digits, test_size=0.2, stratify=digits, random_state=SEED
    )
    return split


def train(images: Images, digits: Digits) -> Pipeline:
    """Fit a network with one hidden layer; scaling the pixels is part of the graph."""
    network = MLPClassifier(hidden_layer_sizes=(64,), max_iter=400, random_state=SEED)
    return make_pipeline(StandardScaler(), network).fit(images, digits)


def export(model: Pipeline) -> ModelProto:
    """Convert to ONNX, with probabilities as one tensor and not as ZipMap's list of maps."""
    graph: ModelProto = convert_sklearn(
        model,
        name="digits",
        initial_types=[("pixels", FloatTensorType([None, 64]))],
        options={id(model): {"zipmap": False}},
        target_opset=OPSETS,
    )
    return graph


def expected(model: Pipeline, images: Images) -> dict[str, npt.NDArray[Any]]:
    """Give the outputs of scikit-learn's own model."""
    return {
        "label": model.predict(images),
        "probabilities": model.predict_proba(images).astype(np.float32),
    }


def build(folder: Path = HERE) -> str:
    """Write the bundle's built files and say what they are worth."""
    started = time.perf_counter()
    images, held_out, digits, held_out_digits = measured()
    model = train(images, digits)
    golden.write(folder / "golden.jsonl", {"pixels": held_out}, expected(model, held_out))
    size = (folder / "model.onnx").write_bytes(export(model).SerializeToString())
    accuracy = model.score(held_out, held_out_digits)
    return (
        f"digits: accuracy {accuracy:.3f} on {len(held_out)} held-out images, "
        f"{size / 1e3:.0f} kB, {time.perf_counter() - started:.2f} s"
    )


if __name__ == "__main__":
    print(build())
