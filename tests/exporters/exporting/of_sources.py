"""Networks as their own libraries save them, for ``serval init`` to convert."""

import os

os.environ["KERAS_BACKEND"] = "torch"

from pathlib import Path
from typing import Any

import keras
import numpy as np
import torch

from tests.exporters.exporting.exported import SEED, keep
from tests.exporters.exporting.of_keras import convolutions, dense
from tests.exporters.exporting.of_torch import OPEN, Classifier, Recurrent, answer, example


def program(kind: type[torch.nn.Module]) -> Any:
    def save(folder: Path) -> None:
        model, inputs = example(kind)
        auto = torch.export.Dim.AUTO
        shapes = {name: dict.fromkeys(OPEN[name], auto) for name in inputs}
        made = torch.export.export(
            model.eval(), tuple(inputs.values()), dynamic_shapes=tuple(shapes.values())
        )
        torch.export.save(made, folder / "model.pt2")
        answer(folder, model, inputs)

    return save


def two_inputs() -> Any:
    words = keras.layers.Input((5,), name="words", dtype="int32")
    age = keras.layers.Input((2,), name="age")
    read = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(20, 4)(words))
    return keras.Model([words, age], keras.layers.Dense(3)(keras.layers.Concatenate()([read, age])))


def saved(build: Any) -> Any:
    def save(folder: Path) -> None:
        keras.utils.set_random_seed(SEED)
        model, random = build(), np.random.default_rng(SEED)
        given = {
            one.name: random.integers(0, 20, (2, *one.shape[1:]), np.int32)
            if one.dtype == "int32"
            else random.random((2, *one.shape[1:]), np.float32)
            for one in model.inputs
        }
        values = list(given.values())
        found = model(values if len(values) > 1 else values[0], training=False)
        model.save(folder / "model.keras")
        keep(folder, given, [keras.ops.convert_to_numpy(found)])

    return save


def saved_model(folder: Path) -> None:
    import tensorflow as tf

    random = np.random.default_rng(SEED)
    weights = [tf.Variable(random.normal(size=shape).astype("f4")) for shape in ((6, 8), (8, 3))]

    class Network(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = weights

        @tf.function(
            input_signature=[
                tf.TensorSpec((None, 6), tf.float32, "visits"),
                tf.TensorSpec((None, 1), tf.float32, "age"),
            ]
        )
        def __call__(self, visits: Any, age: Any) -> Any:
            hidden = tf.nn.relu(visits @ self.layers[0]) * age
            return {"scores": tf.nn.softmax(hidden @ self.layers[1]), "hidden": hidden}

    model = Network()
    tf.saved_model.save(model, str(folder / "model.saved"))
    given = {"visits": random.random((2, 6), np.float32), "age": random.random((2, 1), np.float32)}
    found = model(**given)
    # In the order of the graph, which is that of the names.
    keep(folder, given, [found["hidden"].numpy(), found["scores"].numpy()])


EXPORTS = {
    "sources-pt2-image": program(Classifier),
    "sources-pt2-sequence": program(Recurrent),
    "sources-keras-dense": saved(dense),
    "sources-keras-convolutions": saved(convolutions),
    "sources-keras-two-inputs": saved(two_inputs),
    "sources-tensorflow": saved_model,
}
