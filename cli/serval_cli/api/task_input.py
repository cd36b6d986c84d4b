"""What a person types or names, as the body of a request to a model with a task."""

import base64
import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from serval.client.task_bodies import JSON, columns_of, file_type
from serval.foreign import refusing
from serval_cli.failures import CommandFailed

Kind = Literal["text", "image", "audio", "table", "question", "sentences"]
KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(
        (
            "image-classification",
            "object-detection",
            "image-segmentation",
            "image-to-text",
            "zero-shot-image-classification",
        ),
        "image",
    ),
    **dict.fromkeys(("automatic-speech-recognition", "audio-classification"), "audio"),
    **dict.fromkeys(("tabular-classification", "tabular-regression"), "table"),
    "question-answering": "question",
    "sentence-similarity": "sentences",
}
"""Task → what it takes; every other takes a text."""
EXPECTED: Mapping[Kind, str] = {
    "text": "a text, or a .txt file",
    "image": "an image file",
    "audio": "a sound file",
    "table": "a .csv file, or a row as JSON, such as '{\"age\": 31}'",
    "question": 'JSON, such as \'{"question": "…", "context": "…"}\'',
    "sentences": 'JSON, such as \'{"source_sentence": "…", "sentences": ["…"]}\'',
}
NEEDS_LABELS = ("zero-shot-classification", "zero-shot-image-classification")
LABELS = "candidate_labels"
BODY_KEYS = ("inputs", "table")
"""A JSON object with one of them is a whole request."""


@dataclass(frozen=True, slots=True)
class TaskBody:
    """A request's body, and the file that it was read from."""

    content: bytes
    content_type: str
    path: Path | None = None


def kind_of(task: str) -> Kind:
    """Return what a task takes."""
    return KINDS.get(task, "text")


def build_body(
    task: str, given: str, parameters: Mapping[str, Any], *, as_json: bool = False
) -> TaskBody:
    """Build a request from a text, a file's path or JSON, whichever the task takes.

    Parameters
    ----------
    as_json
        Whether files become JSON too, instead of being sent as they are.

    Raises
    ------
    CommandFailed
        If it is not what the task takes.
    """
    kind, path = kind_of(task), existing_file(given)
    if path is not None and path.suffix.lower() == ".json":
        return whole_body(task, path.read_text(errors="replace"), parameters, path)
    if kind in ("image", "audio"):
        return media_body(task, given, path, parameters, as_json=as_json)
    if kind == "table" and path is not None:
        return table_body(path, parameters, as_json=as_json)
    if path is not None and kind == "text":
        return text_body(task, path, parameters)
    if given.lstrip().startswith("{"):
        return whole_body(task, given, parameters, None)
    if kind != "text":
        raise CommandFailed(f"{given!r}: {task} takes {EXPECTED[kind]}")
    return json_body(given, parameters)


def existing_file(given: str) -> Path | None:
    """Return the file of this name, if there is one."""
    try:
        return Path(given) if Path(given).is_file() else None
    except (OSError, ValueError):
        # A text may be too long for a name, or hold what no name can.
        return None


def whole_body(task: str, text: str, parameters: Mapping[str, Any], path: Path | None) -> TaskBody:
    """Build a request from JSON: the whole request, or its ``inputs``."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise CommandFailed(f"{path or repr(text)} is not JSON: {error}") from None
    if isinstance(value, dict) and any(key in value for key in BODY_KEYS):
        own = value.get("parameters")
        known = own if isinstance(own, dict) else {}
        value = {**value, **({"parameters": {**known, **parameters}} if parameters else {})}
        return TaskBody(json.dumps(value).encode(), JSON, path)
    if kind_of(task) == "table" and isinstance(value, dict):
        return rows_body([value], parameters, path)
    return json_body(value, parameters, path)


def media_body(
    task: str, given: str, path: Path | None, parameters: Mapping[str, Any], *, as_json: bool
) -> TaskBody:
    """Send a file's bytes as they are, or in base64 beside parameters."""
    if path is None:
        raise CommandFailed(f"{given!r} is not a file: {task} takes {EXPECTED[kind_of(task)]}")
    content = path.read_bytes()
    if parameters or as_json:
        return json_body(base64.b64encode(content).decode(), parameters, path)
    return TaskBody(content, file_type(path), path)


def text_body(task: str, path: Path, parameters: Mapping[str, Any]) -> TaskBody:
    """Send a file's text.

    Raises
    ------
    CommandFailed
        If it is not text.
    """
    try:
        return json_body(path.read_text(encoding="utf-8"), parameters, path)
    except UnicodeDecodeError:
        raise CommandFailed(f"{path} is not text: {task} takes {EXPECTED['text']}") from None


def table_body(path: Path, parameters: Mapping[str, Any], *, as_json: bool) -> TaskBody:
    """Send the rows of a CSV file."""
    if path.suffix.lower() not in (".csv", ".tsv"):
        raise CommandFailed(f"{path}: {EXPECTED['table']} expected")
    separator = "\t" if path.suffix.lower() == ".tsv" else ","
    with (
        refusing(lambda said: CommandFailed(f"{path} is not CSV in UTF-8: {said}")),
        path.open(newline="", encoding="utf-8-sig") as file,
    ):
        rows = list(csv.reader(file, delimiter=separator))
    if len(rows) < 2:
        raise CommandFailed(f"{path} has {len(rows)} lines: a line of names and rows expected")
    header = rows[0]
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(header):
            raise CommandFailed(
                f"{path}: line {number} has {len(row)} cells, the header has {len(header)}"
            )
    if not parameters and not as_json:
        written = io.StringIO()
        csv.writer(written).writerows(rows)
        return TaskBody(written.getvalue().encode(), "text/csv", path)
    return rows_body([dict(zip(header, row, strict=True)) for row in rows[1:]], parameters, path)


def rows_body(
    rows: Sequence[Mapping[str, Any]], parameters: Mapping[str, Any], path: Path | None
) -> TaskBody:
    """Send rows as columns, in the contract of tabular tasks."""
    body = {"table": columns_of(rows), **({"parameters": parameters} if parameters else {})}
    return TaskBody(json.dumps(body).encode(), JSON, path)


def json_body(inputs: Any, parameters: Mapping[str, Any], path: Path | None = None) -> TaskBody:
    """Send inputs as JSON."""
    body = {"inputs": inputs, **({"parameters": parameters} if parameters else {})}
    return TaskBody(json.dumps(body).encode(), JSON, path)


def read_parameters(given: Sequence[str]) -> dict[str, Any]:
    """Read parameters written as ``name=value``; a value is JSON, or else a text.

    Raises
    ------
    CommandFailed
        If one has no name or no value.
    """
    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise CommandFailed(f"--parameter {text!r}: name=value expected, such as top_k=3")
        found[name] = read_value(value)
        if name == LABELS and isinstance(found[name], str):
            found[name] = [label.strip() for label in value.split(",") if label.strip()]
    return found


def read_value(text: str) -> Any:
    """Read a value as JSON, or take it as a text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def ask_input(task: str, ask: Callable[[str], str]) -> str:
    """Ask for an input of a task; ``ask`` gets a question and returns the answer."""
    kind = kind_of(task)
    if kind == "question":
        return json.dumps({"question": ask("Question"), "context": ask("Text with the answer")})
    if kind == "sentences":
        source = ask("A sentence")
        others = ask("Sentences to compare it with, separated by |").split("|")
        sentences = [one.strip() for one in others if one.strip()]
        return json.dumps({"source_sentence": source, "sentences": sentences})
    questions: Mapping[Kind, str] = {
        "text": "A text",
        "image": "Path of an image",
        "audio": "Path of a sound file",
        "table": "Path of a .csv file, or a row as JSON",
    }
    return ask(questions[kind]).strip()


def ask_parameters(
    task: str, known: Mapping[str, Any], ask: Callable[[str], str]
) -> dict[str, Any]:
    """Ask for the parameters that a task cannot do without."""
    if task not in NEEDS_LABELS or LABELS in known:
        return dict(known)
    labels = ask("Labels to choose from, separated by commas").split(",")
    return {**known, LABELS: [label.strip() for label in labels if label.strip()]}
