"""Keras 3 on PyTorch, by ``model.export``."""

import os

os.environ["KERAS_BACKEND"] = "torch"

from pathlib import Path
from typing import Any

import keras
import numpy as np

from tests.exporters.exporting.exported import SEED, keep


def exported(build: Any, shape: tuple[int, ...]) -> Any:
    def export(folder: Path) -> None:
        keras.utils.set_random_seed(SEED)
        model = build()
        x = np.random.default_rng(SEED).random((1, *shape), np.float32)
        answer = keras.ops.convert_to_numpy(model(x, training=False))
        model.export(str(folder / "model.onnx"), format="onnx", verbose=False)
        import onnx

        [given] = onnx.load(str(folder / "model.onnx"), load_external_data=False).graph.input
        keep(folder, {given.name: x}, [answer])

    return export


def dense() -> Any:
    return keras.Sequential(
        [
            keras.layers.Input((6,)),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )


def convolutions() -> Any:
    return keras.Sequential(
        [
            keras.layers.Input((16, 16, 3)),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3),
        ]
    )


EXPORTS = {
    "keras-dense": exported(dense, (6,)),
    "keras-convolutions": exported(convolutions, (16, 16, 3)),
}
