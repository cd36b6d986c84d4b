"""Opens recorded cases as a version does, asks them, and compares with the original's answers."""

import base64
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from serval.models.signature import TensorSpec
from serval.models.tensor import DATATYPES, Tensor
from serval.tasks.catalogue import open_task
from serval.tasks.files import TaskFiles
from serval.tasks.graph import TaskGraph
from serval.tasks.parameters import Parameters
from serval.tasks.task import Media, Task

RECORDED = Path(__file__).parent / "recorded"
TOLERANCES = {"box": 1.0}
"""By the key that a number stands under, however deep: boxes are in pixels."""
SCORE = 1e-4
SAMPLE = 1e-3
ONNX_TYPES = {
    "tensor(bool)": "BOOL",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
    **{f"tensor(uint{bits})": f"UINT{bits}" for bits in (8, 16, 32, 64)},
    **{f"tensor(int{bits})": f"INT{bits}" for bits in (8, 16, 32, 64)},
}


@dataclass(frozen=True)
class RecordedCall:
    """A batch of inputs with what the original answered."""

    case: str
    number: int
    inputs: Sequence[Any]
    parameters: Mapping[str, Any]
    answers: Sequence[Any]

    def check(self) -> None:
        """Ask the task of the case and compare."""
        task = open_case(self.case)
        parameters = Parameters(self.parameters)
        parameters.expect(task.accepts)
        given = [self._read(one) for one in self.inputs]
        differences = list(differing(task.answer(given, parameters), self.answers, self.folder))
        assert differences == []

    @property
    def folder(self) -> Path:
        return RECORDED / self.case

    def _read(self, value: Any) -> Any:
        if isinstance(value, dict) and set(value) == {"file"}:
            return (self.folder / value["file"]).read_bytes()
        return value


def recorded_calls(*tasks: str) -> list[Any]:
    """Return every call of the cases of these tasks, as parameters of a test."""
    found = []
    for path in sorted(RECORDED.glob("*/answers.json")):
        if json.loads((path.parent / "bundle/task.json").read_text())["name"] not in tasks:
            continue
        name = path.parent.name
        for number, call in enumerate(json.loads(path.read_text())):
            one = RecordedCall(name, number, call["inputs"], call["parameters"], call["answers"])
            found.append(pytest.param(one, id=f"{name}-{number}"))
    return found


@cache
def open_case(name: str) -> Task:
    """Open the bundle of a case."""
    return open_folder(RECORDED / name / "bundle")


def open_folder(folder: Path, **options: Any) -> Task:
    """Open a bundle; ``options`` go over those of its task.json."""
    written = json.loads((folder / "task.json").read_text()) | options
    task = written.pop("name")
    return open_task(task, TaskFiles(folder, open_graph, written), open_graph(folder))


def open_graph(path: Path) -> TaskGraph:
    """Open a graph with one thread; of a bundle, its ``model.onnx`` or the first there is."""
    if path.is_dir():
        path = next(iter([*path.glob("model.onnx"), *sorted(path.glob("*.onnx"))]))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(tensors: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> list[Tensor]:
        feed = {tensor.name: tensor.array for tensor in tensors}
        arrays = session.run([spec.name for spec in outputs], feed)
        return [
            Tensor(spec.name, spec.datatype, np.asarray(array, DATATYPES[spec.datatype]))
            for spec, array in zip(outputs, arrays, strict=True)
        ]

    return TaskGraph(specs(session.get_inputs()), specs(session.get_outputs()), run)


def specs(described: Sequence[Any]) -> dict[str, TensorSpec]:
    """Read a session's description; an extent with a name may vary."""
    return {
        one.name: TensorSpec(
            one.name,
            ONNX_TYPES[one.type],
            tuple(extent if isinstance(extent, int) else -1 for extent in one.shape),
        )
        for one in described
    }


def differing(got: Any, expected: Any, folder: Path, where: str = "") -> Iterator[str]:
    """Name what differs by more than rounding, and where."""
    if isinstance(expected, dict) and set(expected) == {"file"}:
        yield from differing_files(got, folder / expected["file"], where)
    elif isinstance(expected, dict | list):
        yield from differing_parts(got, expected, folder, where)
    elif not same(got, expected, where):
        yield f"{where}: {got!r}, not {expected!r}"


def differing_parts(got: Any, expected: Any, folder: Path, where: str) -> Iterator[str]:
    """Compare objects by key, and lists by position."""
    parts, found = entries(expected), entries(got)
    if type(got) is not type(expected) or set(parts) != set(found):
        yield f"{where}: {short(found)} in {type(got).__name__}, not {short(parts)}"
    for key in parts:
        if key in found:
            yield from differing(found[key], parts[key], folder, f"{where}/{key}")


def entries(value: Any) -> Mapping[Any, Any]:
    """Return what an object or a list has, by key or position."""
    if isinstance(value, dict):
        return value
    return dict(enumerate(value)) if isinstance(value, list) else {}


def short(parts: Mapping[Any, Any]) -> str:
    """Describe which entries there are."""
    return ", ".join(map(str, parts)) if len(parts) < 8 else f"{len(parts)} entries"


def same(got: Any, expected: Any, where: str) -> bool:
    """Compare what has no parts; a whole number is exact unless it is one of a box."""
    allowed = next((TOLERANCES[key] for key in where.split("/") if key in TOLERANCES), None)
    if isinstance(expected, float) or (allowed and type(expected) is int):
        is_number = type(got) in (int, float)
        return is_number and abs(got - expected) <= (SCORE if allowed is None else allowed)
    return type(got) is type(expected) and bool(got == expected)


def differing_files(got: Any, path: Path, where: str) -> Iterator[str]:
    """Compare a waveform (``.npy``) or an image with what was recorded beside answers.json."""
    if path.suffix == ".npy":
        import soundfile

        expected = np.load(path)
        assert isinstance(got, Media)
        wave = soundfile.read(io.BytesIO(got.body), dtype="float32")[0]
        if wave.shape != expected.shape:
            yield f"{where}: {wave.shape} samples, not {expected.shape}"
        elif np.abs(wave - expected).max() > SAMPLE:
            yield f"{where}: {np.abs(wave - expected).max():.4f} from {path.name}"
    else:
        from PIL import Image

        mask = np.asarray(Image.open(io.BytesIO(base64.b64decode(got))))
        expected = np.asarray(Image.open(path))
        if mask.shape != expected.shape:
            yield f"{where}: {mask.shape} pixels, not {expected.shape}"
        elif (mask != expected).mean() > SAMPLE:
            yield f"{where}: {(mask != expected).sum()} pixels differ from {path.name}"
