"""Golden requests in the words of a task, which the model itself answers."""

import base64
import io
import json
import math
import wave
from array import array
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from serval.errors import ServalError
from serval.inference.runtimes import ArtifactUnreadable, OperatorMissing, RuntimeFailed
from serval.inference.runtimes.onnx import OnnxModel
from serval.rollouts.golden.task_answers import compare_answers
from serval.tasks.call import JSON, answer_payload, shape_answers, write_json
from serval.tasks.catalogue import open_task
from serval.tasks.files import TaskFiles, TaskUnreadable
from serval.tasks.graph import TaskGraph
from serval.tasks.payload import read_payload
from serval.tasks.task import Media, Task
from serval_cli.api.task_input import kind_of
from serval_cli.bundle.golden_sample import MEMORY_MIB, TOLERANCE, NoSample
from serval_cli.bundle.golden_words import expected_answer, request_of, write_words
from serval_cli.failures import CommandFailed

NEEDED = {"image": "PIL", "audio": "soundfile"}
"""What a task takes → the package that reads it."""
TEXT = "The film was long, but I loved every minute of it."
TEXTS: Mapping[str, Any] = {
    "text-generation": {"inputs": "Once upon a time", "parameters": {"max_new_tokens": 8}},
    "text2text-generation": {"inputs": TEXT, "parameters": {"max_new_tokens": 8}},
    "summarization": {"inputs": TEXT, "parameters": {"max_new_tokens": 8}},
    "translation": {"inputs": TEXT, "parameters": {"max_new_tokens": 8}},
    "token-classification": {"inputs": "Ada Lovelace lived in London."},
    "zero-shot-classification": {
        "inputs": TEXT,
        "parameters": {"candidate_labels": ["films", "food", "football"]},
    },
    "question-answering": {
        "inputs": {"question": "Where did she live?", "context": "Ada lived in London."}
    },
    "sentence-similarity": {
        "inputs": {"source_sentence": "The sun is out.", "sentences": ["It is sunny.", "I ran."]}
    },
}
"""Task → a first request; other tasks of text take ``TEXT``."""
SIZE = 64
SAMPLE_RATE = 16_000


def task_lines(
    folder: Path, artifact: str, section: Mapping[str, Any], examples: Sequence[Path]
) -> str:
    """Open the task as a stage will, and write a line for each example, or one that is made up.

    Raises
    ------
    CommandFailed
        If the bundle lacks what the task needs, or the model does not take an example.
    NoSample
        If a made-up request has no answer that could be asked for again.
    """
    name = str(section["name"])
    task = open_bundle_task(folder, artifact, section)
    if not examples:
        return golden_line(task, name, made_up(folder, name))
    lines = []
    for path in examples:
        try:
            lines.append(golden_line(task, name, sample_request(name, path)))
        except NoSample as problem:
            raise CommandFailed(f"{path}: {problem}") from problem
    return "".join(lines)


def open_bundle_task(folder: Path, artifact: str, section: Mapping[str, Any]) -> Task:
    """Open a task over the graphs of a folder."""

    def open_graph(path: Path) -> TaskGraph:
        model = OnnxModel(path, MEMORY_MIB)
        return TaskGraph(
            {spec.name: spec for spec in model.inputs},
            {spec.name: spec for spec in model.outputs},
            partial(OnnxModel.run, model),
        )

    name = str(section["name"])
    options = {key: value for key, value in section.items() if key != "name"}
    try:
        graph = open_graph(folder / artifact)
        return open_task(name, TaskFiles(folder, open_graph, options), graph)
    except OperatorMissing as problem:
        raise NoSample(f"the processor lacks an operator, which a fleet may have: {problem}") from (
            problem
        )
    except (TaskUnreadable, ArtifactUnreadable) as problem:
        raise CommandFailed(f"task {name}: {problem}") from problem
    except ModuleNotFoundError as missing:
        raise NoSample(f"{missing.name}, which {name} needs, is not installed") from missing


def golden_line(task: Task, name: str, request: Mapping[str, Any]) -> str:
    """Ask twice, and write request and answer as a line."""
    body = json.dumps(request).encode()
    try:
        payload = read_payload(body, "application/json", task)
        first, second = (
            shape_answers(task, payload, answer_payload(task, payload)) for _ in range(2)
        )
    except (ServalError, RuntimeFailed) as problem:
        raise NoSample(f"the model does not answer it: {problem}") from problem
    except ModuleNotFoundError as missing:
        raise NoSample(f"{missing.name}, which {name} needs, is not installed") from missing
    if isinstance(first, Media):
        expected = expected_answer(first.content_type, b"")
    else:
        expected = expected_answer(JSON, write_json(first))
    if compare_answers(expected, second, TOLERANCE).reasons:
        raise NoSample("the model answers differently each time that it is asked the same")
    return write_words({"request": request, "answer": expected})


def sample_request(name: str, path: Path) -> dict[str, Any]:
    """Return the request of a sample.

    Raises
    ------
    CommandFailed
        If the task does not take such a file.
    """
    if not path.is_file():
        raise CommandFailed(f"{path} is not a file: an input for {name} expected")
    return request_of(name, str(path), {})


def made_up(folder: Path, name: str) -> Mapping[str, Any]:
    """Make up a first request of a task."""
    kind = kind_of(name)
    if (package := NEEDED.get(kind)) is not None and find_spec(package) is None:
        raise NoSample(f"{package}, which {name} needs, is not installed")
    if kind == "image":
        more = {"candidate_labels": ["a cat", "a dog"]} if name.startswith("zero-shot") else {}
        return {"inputs": encode(draw_image()), **({"parameters": more} if more else {})}
    if kind == "audio":
        return {"inputs": encode(draw_sound())}
    if kind == "table":
        raise NoSample("rows cannot be made up: --sample FILE.csv has real ones")
    if name == "fill-mask":
        return {"inputs": f"The sky is {mask_token(folder)}."}
    request: Mapping[str, Any] = TEXTS.get(name, {"inputs": TEXT})
    return request


def mask_token(folder: Path) -> str:
    """Return the mask of a model's tokenizer."""
    path = folder / "tokenizer_config.json"
    token = json.loads(path.read_bytes()).get("mask_token") if path.is_file() else None
    if isinstance(token, dict):
        token = token.get("content")
    return str(token or "[MASK]")


def draw_image() -> bytes:
    """Draw a small PNG with colours that change from corner to corner."""
    # Imported late: only a task of images needs it.
    from PIL import Image

    step = 256 // SIZE
    pixels = bytes(
        value
        for y in range(SIZE)
        for x in range(SIZE)
        for value in (x * step, y * step, (x ^ y) * step)
    )
    written = io.BytesIO()
    Image.frombytes("RGB", (SIZE, SIZE), pixels).save(written, "PNG")
    return written.getvalue()


def draw_sound() -> bytes:
    """Make half a second of a rising tone, as WAV."""
    count = SAMPLE_RATE // 2
    phases = (2 * math.pi * (220 + 220 * n / count) * n / SAMPLE_RATE for n in range(count))
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(array("h", (round(8000 * math.sin(phase)) for phase in phases)).tobytes())
    return written.getvalue()


def encode(content: bytes) -> str:
    """Encode a file as JSON carries it."""
    return base64.b64encode(content).decode()
