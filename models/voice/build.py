"""Write a graph by hand that plays a tone for each character, and export its bundle."""

import json
import sys
import time
from pathlib import Path

import numpy as np
import onnx

sys.path.append(str(Path(__file__).resolve().parents[2]))  # the repository, wherever we start

from models import golden
from models.onnx_graph import Graph
from serval.models.tensor import Array

HERE = Path(__file__).resolve().parent
RATE_HZ = 8000
SAMPLES = 1000
"""Of a character: an eighth of a second."""
VOCABULARY: dict[str, int] = json.loads((HERE / "vocab.json").read_bytes())
"""Character → token; 0 is padding, 1 the space, and both are silent."""
LOWEST_HZ = 220.0
LOUDNESS = 0.5
TEXTS = ("serval", "an ocelot?", "two cats, one tune")


def tones() -> Array:
    """Return the frequency of each token in Hz: [tokens], half a tone up from one to the next."""
    rising: Array = LOWEST_HZ * 2 ** (np.arange(-2, len(VOCABULARY) - 2) / 12)
    rising[:2] = 0
    return rising


def waves() -> Array:
    """Return the sound of each token: FP32 [tokens, samples], which fades in and out."""
    seconds = np.arange(SAMPLES) / RATE_HZ
    fade = np.sin(np.pi * np.arange(SAMPLES) / SAMPLES)
    return (LOUDNESS * fade * np.sin(2 * np.pi * tones()[:, None] * seconds)).astype(np.float32)


def export() -> onnx.ModelProto:
    """Write the graph: input_ids [1, n] in, waveform [1, 1000 n] out, as VITS has them."""
    graph = Graph()
    played = graph.node("Gather", graph.constant(waves()), "input_ids")
    joined = graph.node("Reshape", played, graph.constant(np.asarray([1, -1], np.int64)))
    tokens = ("input_ids", onnx.TensorProto.INT64, [1, "tokens"])
    waveform = ("waveform", onnx.TensorProto.FLOAT, [1, "samples"])
    return graph.model("voice", [tokens], [(joined, waveform)])


def golden_lines() -> bytes:
    """Write texts that become sound, and tokens with the very waveform, which a file hides."""
    words = b"".join(golden.task_line(text, {"content_type": "audio/wav"}) for text in TEXTS)
    ids = np.asarray([[VOCABULARY[letter] for letter in "meow"]], np.int64)
    expected = waves()[ids[0]].reshape(1, -1)
    return words + golden.line({"input_ids": ids}, {"waveform": expected}, slice(1))


def build(folder: Path = HERE) -> str:
    """Write the bundle's built files and say what was made."""
    started = time.perf_counter()
    (folder / "golden.jsonl").write_bytes(golden_lines())
    size = (folder / "model.onnx").write_bytes(export().SerializeToString())
    return (
        f"voice: a tone for each of {len(VOCABULARY) - 2} characters, written by hand, "
        f"{size / 1e3:.0f} kB, {time.perf_counter() - started:.2f} s"
    )


if __name__ == "__main__":
    print(build())
