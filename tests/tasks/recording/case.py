"""A case as it is written: a bundle as its makers leave it, and what the original answers."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

SEED = 11
EXPORTER_LEAVES = ("*.safetensors", "README.md")
"""What ``save_pretrained`` writes and no bundle needs."""


class Case:
    """A folder of ``tests/tasks/recorded``, emptied, to which calls are added."""

    def __init__(self, folder: Path, task: str, **options: Any) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self.folder, self.bundle = folder, folder / "bundle"
        self.bundle.mkdir(parents=True)
        self.write_json(self.bundle / "task.json", {"name": task, **options})
        self.calls: list[dict[str, Any]] = []

    def save(self, *parts: Any) -> None:
        """Write models, tokenizers and processors as they write themselves, without weights."""
        for part in parts:
            part.save_pretrained(self.bundle)
        for pattern in EXPORTER_LEAVES:
            for path in self.bundle.glob(pattern):
                path.unlink()

    def export(
        self,
        model: torch.nn.Module,
        inputs: Mapping[str, torch.Tensor],
        outputs: Sequence[str],
        axes: Mapping[str, Mapping[int, str]],
        name: str = "model.onnx",
    ) -> None:
        """Export a model of named tensors that returns them by name, or one for each output."""
        torch.onnx.export(
            ByName(model, list(inputs), list(outputs)).eval(),
            tuple(inputs.values()),
            str(self.bundle / name),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={key: dict(value) for key, value in axes.items()},
            dynamo=False,
        )
        shorten_names(self.bundle / name)

    def add(self, inputs: Sequence[Any], answers: Sequence[Any], **parameters: Any) -> None:
        """Add a call: inputs are one batch, with an answer for each."""
        self.calls.append({"inputs": inputs, "parameters": parameters, "answers": answers})

    def write(self) -> None:
        """Write the calls."""
        self.write_json(self.folder / "answers.json", self.calls)

    def write_json(self, path: Path, value: Any) -> None:
        text = json.dumps(value, indent=1, ensure_ascii=False, default=plain)
        path.write_text(text + "\n")


class ByName(torch.nn.Module):
    """A model's outputs of these names, by the names of its inputs, as the exporter wants it."""

    def __init__(self, model: torch.nn.Module, inputs: Sequence[str], outputs: Sequence[str]):
        super().__init__()
        self.model, self.inputs, self.outputs = model, inputs, outputs

    def forward(self, *values: torch.Tensor) -> Any:
        found = self.model(**dict(zip(self.inputs, values, strict=True)))
        if isinstance(found, Mapping):
            return tuple(found[name] for name in self.outputs)
        return found


def shorten_names(path: Path) -> None:
    """Replace the names of a graph's inner values, which take more bytes than small weights."""
    model = onnx.load(path)
    graph = model.graph
    if any(attribute.HasField("g") for node in graph.node for attribute in node.attribute):
        return
    kept = {value.name for value in (*graph.input, *graph.output)}
    short: dict[str, str] = {"": ""}
    for node in graph.node:
        node.name = node.doc_string = ""
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                if name not in kept:
                    names[place] = short.setdefault(name, f"v{len(short)}")
    for array in graph.initializer:
        array.name = short.get(array.name, array.name)
    del graph.value_info[:]
    onnx.save(model, path)


def plain(value: Any) -> Any:
    """Turn numpy's and torch's numbers and arrays into JSON's."""
    if isinstance(value, torch.Tensor):
        value = value.detach().numpy()
    if isinstance(value, np.floating | float):
        return float(f"{value:.7g}")
    return value.tolist()


def seed() -> None:
    """Begin the weights of a model anew."""
    torch.manual_seed(SEED)
