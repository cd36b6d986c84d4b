"""Train the decoder on the texts that scikit-learn ships and export its bundle."""

import re
import sys
import time
from pathlib import Path

import numpy as np
import sklearn

sys.path.append(str(Path(__file__).resolve().parents[2]))  # the repository, wherever we start

from models import golden
from models.layers import Parameters
from models.textgen.graph import export
from models.textgen.model import Decoder, complete, train

HERE = Path(__file__).resolve().parent
DESCRIPTIONS = Path(sklearn.__file__).parent / "datasets" / "descr"
PROSE = re.compile(r"[A-Z][\w ,.;:&%#'()\-/\"]{40,}[.:]", re.ASCII)
DECODER = Decoder(layers=2, heads=4, width=128, context=128)
NEW_TOKENS = 64
SEED, STEPS, BATCH = 0, 2000, 2
PROMPTS = [
    "The data set ",
    "This is ",
    "Each picture",
    "A classifier ",
    "There are ",
    "For example, ",
]
GOLDEN = 4
"""How many of the prompts become golden requests."""


def corpus() -> bytes:
    """Give the paragraphs of prose in scikit-learn's descriptions of its data sets, one a line."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(DESCRIPTIONS.glob("*.rst"))]
    blocks = [" ".join(block.split()) for text in texts for block in re.split(r"\n\s*\n", text)]
    return "".join(f"{block}\n" for block in blocks if PROSE.fullmatch(block)).encode()


def prompt(text: str) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """Give a batch of one prompt."""
    return np.frombuffer(text.encode(), np.uint8)[None]


def write_golden(path: Path, parameters: Parameters) -> None:
    """Write golden requests, as the decoder answers without a cache.

    They are those whose closest choice of a byte is clearest: another machine, which adds up in
    another order, chooses the same.
    """
    answered = [
        (text, *complete(DECODER, parameters, prompt(text), NEW_TOKENS)) for text in PROMPTS
    ]
    clearest = sorted(answered, key=lambda each: -each[2])[:GOLDEN]
    lines = [
        golden.line({"prompt": prompt(text)}, {"completion": completion}, slice(1))
        for text, completion, _ in clearest
    ]
    path.write_bytes(b"".join(lines))


def build(folder: Path = HERE, steps: int = STEPS) -> str:
    """Write the bundle's built files and say what they are worth."""
    started = time.perf_counter()
    text = corpus()
    parameters, loss = train(DECODER, np.frombuffer(text, np.uint8), steps, BATCH, SEED)
    write_golden(folder / "golden.jsonl", parameters)
    model = export(DECODER, parameters, NEW_TOKENS)
    size = (folder / "model.onnx").write_bytes(model.SerializeToString())
    completion, _ = complete(DECODER, parameters, prompt(PROMPTS[0]), NEW_TOKENS)
    return (
        f"textgen: {loss:.2f} nats a byte after {steps} steps on {len(text) / 1e3:.0f} kB of text, "
        f"{size / 1e3:.0f} kB, {time.perf_counter() - started:.2f} s: "
        f"{PROMPTS[0] + completion.tobytes().decode(errors='replace')!r}"
    )


if __name__ == "__main__":
    print(build())
