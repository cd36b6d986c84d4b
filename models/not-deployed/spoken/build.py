"""Write two graphs by hand: tokens to a spectrogram, and a spectrogram to sound."""

import json
import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto

sys.path.append(str(Path(__file__).resolve().parents[3]))  # the repository, wherever we start

from models.onnx_graph import Graph
from serval.models.tensor import Array

HERE = Path(__file__).resolve().parent
RATE_HZ, SAMPLES = 8000, 400
"""Of a letter: a twentieth of a second."""
LETTERS = "abcdefghijklmnopqrstuvwxyz"
LOWEST_HZ = 220.0
TEXTS = ("serval", "An ocelot?")


def bins() -> Array:
    """Return how loud each frequency is for each token: FP32 [27, 27]; 0 is silence."""
    loud = np.eye(len(LETTERS) + 1, dtype=np.float32)
    loud[0] = 0
    return loud


def waves() -> Array:
    """Return a letter's worth of each frequency: FP32 [27, samples]."""
    tones = LOWEST_HZ * 2 ** (np.arange(len(LETTERS) + 1) / 12)
    seconds = np.arange(SAMPLES) / RATE_HZ
    fade = np.sin(np.pi * np.arange(SAMPLES) / SAMPLES)
    return (0.5 * fade * np.sin(2 * np.pi * tones[:, None] * seconds)).astype(np.float32)


def export(folder: Path) -> None:
    """Write both graphs."""
    graph = Graph()
    found = graph.node("Gather", graph.constant(bins()), "tokens")
    tokens = ("tokens", TensorProto.INT64, [1, "letters"])
    spectrogram = ("spectrogram", TensorProto.FLOAT, [1, "letters", len(LETTERS) + 1])
    first = graph.model("spectrogram", [tokens], [(found, spectrogram)])
    graph = Graph()
    frames = graph.node("MatMul", "spectrogram", graph.constant(waves()))
    joined = graph.node("Reshape", frames, graph.constant(np.asarray([1, -1], np.int64)))
    waveform = ("waveform", TensorProto.FLOAT, [1, "samples"])
    second = graph.model("vocoder", [spectrogram], [(joined, waveform)])
    for name, made in (("spectrogram", first), ("vocoder", second)):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "model.onnx").write_bytes(made.SerializeToString())


def golden_line(text: str) -> str:
    """Write a text with its waveform, computed without the graphs."""
    tokens = [LETTERS.find(letter) + 1 for letter in text.lower()]
    sound = np.concatenate([waves()[token] * (token > 0) for token in tokens])
    given = {"name": "text", "datatype": "BYTES", "shape": [1], "data": [text]}
    wave = {"name": "waveform", "datatype": "FP32", "shape": [1, len(sound)]}
    outputs = [{**wave, "data": sound.tolist()}]
    return json.dumps({"request": {"inputs": [given]}, "response": {"outputs": outputs}})


def build(folder: Path = HERE) -> str:
    """Write the built files."""
    export(folder)
    file = {"request": {"inputs": TEXTS[0]}, "answer": {"content_type": "audio/wav"}}
    lines = [*map(golden_line, TEXTS), json.dumps(file)]
    (folder / "golden.jsonl").write_text("\n".join(lines) + "\n")
    return f"spoken: {len(LETTERS)} letters, a tone each, written by hand"


if __name__ == "__main__":
    print(build())
