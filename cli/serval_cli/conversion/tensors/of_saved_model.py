"""``serval init --from`` of a folder that ``tf.saved_model.save`` or Keras' ``export`` wrote."""

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import onnx

from serval.foreign import refusing
from serval.models.tensor import Array
from serval_cli.bundle.sources import Source, SourceChoices
from serval_cli.conversion.packages import require_extra
from serval_cli.conversion.tensors.build import Named, OriginalNetwork, build_network_source
from serval_cli.failures import CommandFailed

SIGNATURE = "serving_default"
OPSET = 18
"""The highest that tf2onnx writes."""


def read_saved_model(folder: Path, choices: SourceChoices) -> Source:
    """Read the signature ``serving_default`` of a SavedModel.

    Raises
    ------
    CommandFailed
        If there is none, or it cannot be converted.
    """
    require_extra("tensorflow", str(folder), yes=choices.yes)
    # Read by TensorFlow when it is imported: it says much that is no concern of this command.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    tensorflow = import_module("tensorflow")
    with refusing(lambda said: CommandFailed(f"{folder}: TensorFlow does not load it: {said}")):
        model = tensorflow.saved_model.load(str(folder))
    if SIGNATURE not in model.signatures:
        known = ", ".join(model.signatures) or "none"
        raise CommandFailed(f"{folder}: signature {SIGNATURE!r} expected, {known} found")
    return build_network_source(folder, describe_model(folder, model, tensorflow), choices)


def describe_model(folder: Path, model: Any, tensorflow: Any) -> OriginalNetwork:
    """Describe a loaded SavedModel."""
    outputs: list[str] = []

    def convert(target: Path) -> None:
        command = [
            *(sys.executable, "-m", "tf2onnx.convert", "--saved-model", str(folder)),
            *("--signature_def", SIGNATURE, "--opset", str(OPSET), "--output", str(target)),
        ]
        run = subprocess.run(command, check=False, capture_output=True, text=True)
        if run.returncode:
            raise CommandFailed(f"tf2onnx: {(run.stderr.strip() or 'no reason').splitlines()[-1]}")
        graph = onnx.load(target, load_external_data=False).graph
        outputs.extend(output.name for output in graph.output)

    def predict(named: Named) -> Sequence[Array]:
        given = {name: tensorflow.constant(array) for name, array in named.items()}
        answer = model.signatures[SIGNATURE](**given)
        return [answer[name].numpy() for name in outputs]

    return OriginalNetwork(
        about=f"a SavedModel, converted by tf2onnx beside TensorFlow {tensorflow.__version__}",
        convert=convert,
        predict=predict,
    )
