"""What is known of a value before it is there: the fields that it, or each of its items, has.

Expressions step into lists by themselves, so a list has the shape of its items.
"""

import difflib
from collections.abc import Mapping
from typing import Optional

Shape = Optional[Mapping[str, "Shape"]]  # noqa: UP045
"""Fields → their shapes; empty: a text, a number or a truth value; None: anything."""
ANY: Shape = None
SCALAR: Shape = {}


def _scalars(*names: str) -> Shape:
    return dict.fromkeys(names, SCALAR)


LABELS = _scalars("label", "score")
WRITTEN = _scalars("generated_text")
CORNERS = _scalars("xmin", "ymin", "xmax", "ymax")
ANSWERS: Mapping[str, Shape] = {
    "audio-classification": LABELS,
    "automatic-speech-recognition": {"text": SCALAR, "chunks": ANY},
    "feature-extraction": SCALAR,
    "fill-mask": _scalars("score", "token", "token_str", "sequence"),
    "image-classification": LABELS,
    "image-segmentation": _scalars("score", "label", "mask"),
    "image-to-text": WRITTEN,
    "object-detection": {"score": SCALAR, "label": SCALAR, "box": CORNERS},
    "question-answering": _scalars("score", "start", "end", "answer"),
    "sentence-similarity": SCALAR,
    "summarization": _scalars("summary_text"),
    "tabular-classification": {"label": SCALAR, "score": SCALAR, "probabilities": ANY},
    "text-classification": LABELS,
    "text2text-generation": WRITTEN,
    "token-classification": _scalars(
        "entity", "entity_group", "score", "index", "word", "start", "end"
    ),
    "translation": _scalars("translation_text"),
    "zero-shot-classification": LABELS,
    "zero-shot-image-classification": LABELS,
}
"""What tasks answer; those that are not here may answer anything."""


class NoSuchField(Exception):
    """A path leads to something that cannot be there."""


def field_of(shape: Shape, name: str, where: str) -> Shape:
    """Return the shape of a field.

    Raises
    ------
    NoSuchField
        If there can be none; ``where`` says of what.
    """
    if shape is None:
        return ANY
    if name in shape:
        return shape[name]
    if not shape:
        raise NoSuchField(f"{where} has no fields, so no {name!r}")
    nearest = difflib.get_close_matches(name, shape, n=1, cutoff=0.6)
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"it has {', '.join(shape)}"
    raise NoSuchField(f"{where} has no {name!r}; {hint}")


def merge(one: Shape, other: Shape) -> Shape:
    """Return the shape of a value that is one of two."""
    if one is None or other is None:
        return ANY
    shared = one.keys() & other.keys()
    merged = {name: merge(one[name], other[name]) for name in shared}
    return {**one, **other, **merged}
