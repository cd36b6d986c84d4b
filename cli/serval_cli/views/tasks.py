"""Render the answers of tasks: bars, spans, texts, files."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from serval_cli.views.table import table

BAR_WIDTH = 30
MANY = 20
"""Most labels and numbers to show; --json has the others."""
TEXT_KEYS = ("generated_text", "summary_text", "translation_text", "text")
Row = Mapping[str, Any]


def answer(value: Any) -> RenderableType:
    """Render an answer by its shape, whatever the task."""
    value = unwrap(value)
    if isinstance(value, dict):
        return single(value)
    if not isinstance(value, list) or not value:
        return as_json(value)
    if all(isinstance(one, dict) for one in value):
        return rows(value)
    if all(isinstance(one, list) and one for one in value):
        if is_vector(value[0]) or is_vector(unwrap(value[0])):
            return vectors(value)
        return Group(*(answer(one) for one in value))
    if is_vector(value):
        return vectors([value])
    return Text("\n".join(str(one) for one in value))


def unwrap(value: Any) -> Any:
    """Take a list out of a list that holds nothing else."""
    while isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        [value] = value
    return value


def rows(value: Sequence[Row]) -> RenderableType:
    """Render a list of objects: texts, spans, places, or scores."""
    first = value[0]
    if "token_str" in first:
        return bars([(str(one["sequence"]), one["score"]) for one in value])
    if "box" in first:
        return boxes(value)
    if "start" in first and "label" not in first:
        return spans(value)
    if "label" in first:
        return bars([(str(one["label"]), one.get("score")) for one in value])
    if any(key in first for key in TEXT_KEYS):
        return Group(*(single(one) for one in value))
    return as_json(list(value))


def single(value: Row) -> RenderableType:
    """Render one object: a text, or an answer found in a text."""
    if "file" in value:
        return Text(f"saved {value['file']} ({value['content_type']}, {value['bytes']:,} bytes)")
    if "answer" in value:
        shown = Text(str(value["answer"]), style="bold")
        where = f"  score {value['score']:.4f}, characters {value['start']} to {value['end']}"
        return shown + Text(where, style="dim")
    key = next((key for key in TEXT_KEYS if key in value), None)
    if key is None:
        return as_json(value)
    said = Text(str(value[key]))
    pieces = [one for one in value.get("chunks") or () if isinstance(one, dict)]
    if not pieces:
        return said
    times = table("from", "to", "text")
    for piece in pieces:
        begin, end = (*(piece.get("timestamp") or ()), None, None)[:2]
        times.add_row(seconds(begin), seconds(end), str(piece.get("text", "")))
    return Group(said, times)


def bars(scores: Sequence[tuple[str, Any]]) -> RenderableType:
    """Render labels with a bar as long as the score; scores beyond 0 to 1 get none."""
    shown = table("label", "", "score")
    for label, score in scores[:MANY]:
        number = isinstance(score, int | float)
        length = round(BAR_WIDTH * score) if number and 0 <= score <= 1 else 0
        shown.add_row(label, Text("█" * length, style="cyan"), f"{score:.4f}" if number else "")
    return Group(shown, *left_out(scores))


def spans(value: Sequence[Row]) -> RenderableType:
    """Render parts of a text with their labels."""
    shown = table("word", "label", "score", "characters")
    for one in value:
        label = one.get("entity_group") or one.get("entity") or ""
        shown.add_row(
            str(one.get("word") or one.get("answer") or ""),
            str(label),
            f"{one['score']:.4f}",
            f"{one['start']} to {one['end']}",
        )
    return shown


def boxes(value: Sequence[Row]) -> RenderableType:
    """Render what was found in an image, and where."""
    shown = table("label", "score", "left", "top", "right", "bottom")
    for one in value[:MANY]:
        edges = (str(round(one["box"][edge])) for edge in ("xmin", "ymin", "xmax", "ymax"))
        shown.add_row(str(one["label"]), f"{one['score']:.4f}", *edges)
    return Group(shown, *left_out(value))


def vectors(value: Sequence[Any]) -> RenderableType:
    """Render vectors by their length and first numbers."""
    flat = [unwrap(one) for one in value]
    lines = []
    for one in flat:
        if not is_vector(one):
            lines.append(f"{len(one)} vectors of {len(one[0])} numbers")
            continue
        head = ", ".join(f"{number:.4f}" for number in one[:4])
        lines.append(f"{len(one)} numbers: {head}{', …' if len(one) > 4 else ''}")
    return Text("\n".join(lines[:MANY]))


def is_vector(value: Any) -> bool:
    """Return whether a value is a list of numbers."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, int | float) and not isinstance(one, bool) for one in value)
    )


def left_out(value: Sequence[Any]) -> list[Text]:
    """Count what is not shown."""
    more = len(value) - MANY
    return [Text(f"and {more} more: --json has all", style="dim")] if more > 0 else []


def seconds(value: Any) -> str:
    """Render a time in a recording."""
    return f"{value:.2f} s" if isinstance(value, int | float) else ""


def as_json(value: Any) -> Text:
    """Render any other answer as it is."""
    return Text(json.dumps(value, indent=2, ensure_ascii=False))
