"""Read inputs from numpy files and JSON."""

from pathlib import Path
from typing import Any

import numpy as np

from serval.client.inference_request import build_request, is_request
from serval.foreign import refusing
from serval.models.tensor import Array
from serval_cli.bundle.samples.fitting import Specs, only_input
from serval_cli.failures import CommandFailed
from serval_cli.json_files import read_json


def load_file(path: Path) -> Any:
    """Load a numpy file, refusing pickles."""
    with refusing(lambda said: CommandFailed(f"{path} is not a numpy file: {said}")):
        return np.load(path, allow_pickle=False)


def read_npy(path: Path, inputs: Specs) -> dict[str, Array]:
    """Read the array of the only input."""
    return {only_input(path, inputs).name: load_file(path)}


def read_npz(path: Path, inputs: Specs) -> dict[str, Array]:
    """Read arrays by input name; a single array may have any name."""
    with load_file(path) as found:
        arrays = {name: found[name] for name in found.files}
    if len(arrays) == len(inputs) == 1:
        return {inputs[0].name: next(iter(arrays.values()))}
    return arrays


def read_json_inputs(path: Path, inputs: Specs, optional: Specs) -> dict[str, Array]:
    """Read a V2 request or bare data, as ``serval infer`` does."""
    value = read_json(path)
    if not is_request(value):
        value = build_request(
            value, *([s.to_json() for s in specs] for specs in (inputs, optional))
        )
    kinds = {spec.name: spec.datatype for spec in (*inputs, *optional)}
    arrays = {}
    for given in value["inputs"]:
        text = kinds.get(given["name"]) == "BYTES"
        with refusing(lambda said: CommandFailed(f"{path} is not an inference request: {said}")):
            array = np.array(given["data"], object if text else None)
            arrays[given["name"]] = array.reshape(given["shape"])
    return arrays
