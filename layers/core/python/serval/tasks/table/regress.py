"""``tabular-regression``: a number for each row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from serval.models.tensor import Array
from serval.tasks.files import TaskFiles, TaskUnreadable
from serval.tasks.graph import TaskGraph
from serval.tasks.parameter_rules import known_parameters
from serval.tasks.parameters import Parameters
from serval.tasks.table.answers import check_finite
from serval.tasks.table.columns import TableColumns
from serval.tasks.task import InputKind


@dataclass(frozen=True, slots=True)
class TabularRegression:
    """A regressor of rows: numbers [rows] or [rows, targets]."""

    takes: ClassVar[InputKind] = "table"
    accepts: ClassVar[frozenset[str]] = known_parameters("tabular-regression")
    answers_in_list: ClassVar[bool] = False

    graph: TaskGraph
    columns: TableColumns
    output: str

    @classmethod
    def from_files(cls, files: TaskFiles, graph: TaskGraph) -> "TabularRegression":
        """Find the first output of numbers, and read the columns.

        Raises
        ------
        TaskUnreadable
            If every output holds text.
        """
        numbers = [spec for spec in graph.outputs.values() if spec.datatype != "BYTES"]
        if not numbers:
            raise TaskUnreadable("the graph has no output of numbers, a regressor's expected")
        return cls(graph, TableColumns.from_files(files, graph), numbers[0].name)

    def answer(self, inputs: Sequence[Any], _: Parameters) -> list[Any]:
        """Return a number for each row; a list of numbers if the model has several targets."""
        if not inputs:
            return []
        return self.answer_columns(self.columns.read(inputs), len(inputs))

    def answer_columns(self, columns: Mapping[str, Array], rows: int) -> list[Any]:
        """Return a number for each row, or a list of them."""
        found = self.graph.run(self.columns.fill(columns), [self.output])[self.output]
        values = found.reshape(rows, -1)
        check_finite(values, columns, self.columns)
        return [row[0] if len(row) == 1 else row for row in values.tolist()]
