"""``serval init --from`` of ``.keras``, which Keras itself converts, on PyTorch."""

import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import onnx
from onnx import helper

from serval.foreign import refusing
from serval.models.tensor import Array
from serval_cli.bundle.sources import Source, SourceChoices
from serval_cli.conversion.packages import require_extra
from serval_cli.conversion.tensors.build import Named, OriginalNetwork, build_network_source
from serval_cli.failures import CommandFailed


def read_keras(path: Path, choices: SourceChoices) -> Source:
    """Read a model that Keras 3 saved; with ``--trust``, also one with Python code in a layer.

    Raises
    ------
    CommandFailed
        If Keras cannot load it, or it cannot be converted.
    """
    require_extra("keras", str(path), yes=choices.yes)
    # Read by Keras when it is imported: whatever it was trained on, PyTorch converts it.
    os.environ["KERAS_BACKEND"] = "torch"
    keras = import_module("keras")
    with refusing(lambda said: CommandFailed(f"{path}: Keras does not load it: {explain(said)}")):
        model = keras.saving.load_model(path, compile=False, safe_mode=not choices.trust)
    if not getattr(model, "inputs", None):
        raise CommandFailed(
            f"{path}: the inputs of this {type(model).__name__} are not known, since it was never "
            "built: call it once before model.save"
        )
    return build_network_source(path, describe_model(model), choices)


def explain(said: str) -> str:
    """Explain a message of Keras that speaks of its code, with what to do."""
    if "safe_mode" in said:
        return (
            "a layer has Python code in it. If it is your own, or you trust its maker, add --trust"
        )
    if "could not be deserialized" in said:
        return (
            "a layer cannot be made of the file alone, such as one of your own: where its code is, "
            "model.export('model.onnx', format='onnx') makes a graph, which --from takes"
        )
    if "accessible `.keras` zip file" in said:
        return "a zip file expected, as Keras 3 writes it"
    return said


def describe_model(model: Any) -> OriginalNetwork:
    """Describe a model of Keras whose inputs are known: ``Sequential`` or functional."""
    keras = import_module("keras")
    # A Sequential that was only loaded has no ``input``.
    inputs = getattr(model, "input", None)
    inputs = model.inputs[0] if inputs is None else inputs

    def predict(named: Named) -> Sequence[Array]:
        given = keras.tree.pack_sequence_as(inputs, list(named.values()))
        answer = keras.tree.flatten(model(given, training=False))
        return [keras.ops.convert_to_numpy(one) for one in answer]

    def make_zeros(one: Any) -> Any:
        return keras.ops.zeros([extent or 1 for extent in one.shape], one.dtype)

    def convert(target: Path) -> None:
        # Keras exports what has been called, and a model that was only loaded has not.
        model(keras.tree.map_structure(make_zeros, inputs), training=False)
        model.export(str(target), format="onnx", verbose=False)
        name_outputs(target)

    return OriginalNetwork(
        about=f"a {type(model).__name__} of Keras, converted by Keras {keras.__version__}",
        convert=convert,
        predict=predict,
    )


def name_outputs(path: Path) -> None:
    """Call outputs ``output_0``, ``output_1``, … in place of the numbers that exporters use."""
    model = onnx.load(path)
    for index, output in enumerate(model.graph.output):
        name = f"output_{index}"
        model.graph.node.append(helper.make_node("Identity", [output.name], [name]))
        output.name = name
    onnx.save(model, path)
