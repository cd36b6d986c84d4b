"""What a task is to whoever calls it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from serval.models.tensor import Array
from serval.tasks.parameters import Parameters

InputKind = Literal["text", "image", "audio", "table", "arguments"]
"""What one input of a task is.

``text``: a ``str``; ``image`` and ``audio``: the bytes of a file; ``table``: a ``Mapping`` from
column to value, which is one row; ``arguments``: a ``Mapping``, such as a question with its
context.
"""


@dataclass(frozen=True, slots=True)
class Media:
    """An answer that is a file, such as speech."""

    body: bytes
    content_type: str


class TaskCalls(Protocol):
    """What a call of a task has."""

    @property
    def takes(self) -> InputKind:
        """What one input is."""

    @property
    def accepts(self) -> frozenset[str] | None:
        """Names of the parameters that a request may have; None: whoever runs it checks them."""


class Task(TaskCalls, Protocol):
    """A loaded task: inputs in, answers out."""

    @property
    def answers_in_list(self) -> bool:
        """Whether a single input's answer is sent as a list of one, as for generation."""

    def answer(self, inputs: Sequence[Any], parameters: Parameters) -> list[Any]:
        """Answer inputs of the kind ``takes``; return one JSON value, or ``Media``, for each.

        All inputs of a call are one batch.

        Raises
        ------
        InvalidRequest
            In the words of the task, if an input or a parameter is wrong.
        InferenceFailed
            If the graph fails on inputs that fit.
        """


class ReadsColumns(Protocol):
    """The columns of a table."""

    @property
    def names(self) -> list[str]:
        """Every column."""

    def check_texts(self, columns: Mapping[str, Array]) -> None:
        """Refuse a text that is missing where the model does not fill it in."""


class TableTask(Task, Protocol):
    """A loaded task that takes rows of a table."""

    @property
    def columns(self) -> ReadsColumns:
        """What its columns are."""

    def answer_columns(self, columns: Mapping[str, Array], rows: int) -> list[Any]:
        """Answer rows that are there as an array for each column; raise as ``answer`` does."""
