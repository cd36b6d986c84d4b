"""``tabular-classification``: the label of each row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from serval.errors import InvalidParameter
from serval.models.signature import TensorSpec
from serval.models.tensor import Array
from serval.tasks.files import TaskFiles, TaskUnreadable
from serval.tasks.graph import TaskGraph
from serval.tasks.labels import read_labels
from serval.tasks.parameter_rules import known_parameters
from serval.tasks.parameters import Parameters
from serval.tasks.scores import sigmoid, softmax
from serval.tasks.table.answers import check_finite
from serval.tasks.table.columns import TableColumns
from serval.tasks.task import InputKind

APPLIED = {"softmax": softmax, "sigmoid": sigmoid}


@dataclass(frozen=True, slots=True)
class TabularClassification:
    """A classifier of rows: labels [rows], scores [rows, classes], or both."""

    takes: ClassVar[InputKind] = "table"
    accepts: ClassVar[frozenset[str]] = known_parameters("tabular-classification")
    answers_in_list: ClassVar[bool] = False

    graph: TaskGraph
    columns: TableColumns
    label: TensorSpec | None
    """The output that has the labels themselves, as scikit-learn's converters make it."""
    scores: TensorSpec | None
    labels: Sequence[str] | None
    """The classes in the order of the scores; None if nothing names them."""
    function: str
    """What is applied to scores: ``softmax``, ``sigmoid`` or ``none``."""

    @classmethod
    def from_files(cls, files: TaskFiles, graph: TaskGraph) -> "TabularClassification":
        """Find the outputs, and read columns and labels."""
        outputs = list(graph.outputs.values())
        label = next((spec for spec in outputs if not _is_float(spec)), None)
        scores = next((spec for spec in outputs if _is_float(spec)), None)
        labels = _labels_of(files, label, scores)
        return cls(
            graph,
            TableColumns.from_files(files, graph),
            label,
            scores,
            labels,
            files.options.get("function_to_apply") or "none",
        )

    def answer(self, inputs: Sequence[Any], parameters: Parameters) -> list[Any]:
        """Return the label of each row, a string.

        With ``probabilities``, return ``{"label", "score", "probabilities": {label: score}}``.
        """
        wanted = parameters.flag("probabilities", default=False)
        if wanted and (self.scores is None or self.labels is None):
            raise InvalidParameter(
                "probabilities",
                True,
                "false, since the model "
                + ("has none" if self.scores is None else "does not name their labels"),
            )
        if not inputs:
            return []
        names, scores = self._answer(self.columns.read(inputs), len(inputs))
        if not wanted or scores is None or self.labels is None:
            return names
        return [_describe(name, row, self.labels) for name, row in zip(names, scores, strict=True)]

    def answer_columns(self, columns: Mapping[str, Array], rows: int) -> list[Any]:
        """Return the label of each row, a string."""
        return self._answer(columns, rows)[0]

    def _answer(self, columns: Mapping[str, Array], rows: int) -> tuple[list[Any], Array | None]:
        """Return the label of each row, and the scores of its classes if there are any."""
        outputs = self.graph.run(self.columns.fill(columns))
        scores = None
        if self.scores is not None:
            scores = self._read_scores(outputs[self.scores.name], rows)
            check_finite(scores, columns, self.columns)
        names = self._name(None if self.label is None else outputs[self.label.name], scores)
        return names, scores

    def _read_scores(self, scores: Array, rows: int) -> Array:
        found = APPLIED.get(self.function, np.asarray)(scores.reshape(rows, -1))
        # One score of two classes is that of the second.
        two = found.shape[1] == 1 and self.labels is not None and len(self.labels) == 2
        return np.concatenate([1 - found, found], axis=1) if two else found

    def _name(self, label: Array | None, scores: Array | None) -> list[Any]:
        if label is None:
            assert scores is not None
            return [self._class_at(int(index)) for index in scores.argmax(axis=1)]
        flat = label.reshape(len(label), -1)
        named = [[self._name_of(value) for value in row] for row in flat.tolist()]
        return [row[0] if len(row) == 1 else row for row in named]

    def _name_of(self, value: Any) -> str:
        if isinstance(value, bytes):
            return value.decode()
        # The classes of a model may be numbers that are no indices, such as 3 and 5.
        if self.labels is None or str(value) in self.labels:
            return str(value)
        return self._class_at(value)

    def _class_at(self, index: int) -> str:
        in_range = self.labels is not None and 0 <= index < len(self.labels)
        return self.labels[index] if self.labels is not None and in_range else str(index)


def _is_float(spec: TensorSpec) -> bool:
    return spec.datatype in ("FP16", "FP32", "FP64")


def _labels_of(
    files: TaskFiles, label: TensorSpec | None, scores: TensorSpec | None
) -> Sequence[str] | None:
    if label is None and scores is None:
        raise TaskUnreadable("the graph has no output: labels or scores expected")
    classes = -1 if scores is None or len(scores.shape) < 2 else scores.shape[-1]
    if files.options.get("labels") is not None or files.json("config.json").get("id2label"):
        return read_labels(files, -1 if classes == 1 else classes)
    if label is not None and label.datatype == "BYTES":
        return None
    return [str(index) for index in range(classes)] if classes > 1 else None


def _describe(name: Any, scores: Array, labels: Sequence[str]) -> dict[str, Any]:
    best = labels.index(name) if name in labels else int(scores.argmax())
    return {
        "label": name,
        "score": float(scores[best]),
        "probabilities": {label: float(score) for label, score in zip(labels, scores, strict=True)},
    }
