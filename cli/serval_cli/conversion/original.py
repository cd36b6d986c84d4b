"""A model as its own library runs it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from onnx import ModelProto

from serval.models.tensor import Array

Rows = Sequence[Mapping[str, Any]]
ColumnKind = Literal["number", "integer", "text"]
Precision = Literal["FP32", "FP64"]
CLASSIFICATION, REGRESSION = "tabular-classification", "tabular-regression"
TEXTS = "text-classification"
"""The task of a classifier that has one column of text, and probabilities."""
DATATYPES: Mapping[ColumnKind, str] = {"number": "FP64", "integer": "INT64", "text": "BYTES"}
"""What the original computes with."""


@dataclass(frozen=True, slots=True)
class OriginalColumn:
    """One column that a model takes."""

    name: str
    kind: ColumnKind = "number"
    imputed: bool = False
    """Whether the model fills in missing values."""
    known: Sequence[Any] = ()
    """Values that it has seen, to draw from: categories, or texts."""
    mean: float = 0.0
    spread: float = 1.0


@dataclass(frozen=True, slots=True)
class OriginalAnswers:
    """What a model answers to rows."""

    labels: Sequence[Any] | None = None
    """The label of each row as text, of a classifier; several of a row are a list."""
    numbers: Array | None = None
    """Probabilities [rows, classes] of a classifier that has them, numbers of a regressor."""


@dataclass(frozen=True, slots=True)
class Original:
    """A model that is converted to a graph and compared with it."""

    about: str
    """What it is, as in "a Pipeline of scikit-learn"."""
    task: str
    columns: Sequence[OriginalColumn]
    predict: Callable[[Rows], OriginalAnswers]
    convert: Callable[[Precision], ModelProto]
    labels: Sequence[str] | None = None
    """The classes in the order of the probabilities."""
    precisions: Sequence[Precision] = ("FP32",)
    """What the graph may compute with, the first that is exact enough is taken."""
    remarks: Sequence[str] = field(default=())

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [column.name for column in self.columns]

    def inputs(self, rows: Rows) -> list[Any]:
        """Return rows as callers of the task send them."""
        if self.task == TEXTS:
            return [row[self.names[0]] for row in rows]
        return [dict(row) for row in rows]
