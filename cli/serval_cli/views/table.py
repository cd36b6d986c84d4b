"""Render tables that fit the terminal, one cell per line if the columns are too wide."""

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.table import Table

ANY_WIDTH = 10_000


class FittingTable(Table):
    """A table that shows each cell on its own line if its columns do not fit side by side."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render the table, or its rows one after the other."""
        needed = self.__rich_measure__(console, options.update_width(ANY_WIDTH)).minimum
        if needed <= options.max_width:
            yield from super().__rich_console__(console, options)
            return
        for row in zip(*(column.cells for column in self.columns), strict=True):
            cells = Table(box=None, show_header=False, pad_edge=False)
            cells.add_column(no_wrap=True)
            cells.add_column(overflow="fold")
            for column, cell in zip(self.columns, row, strict=True):
                if cell not in ("", None):
                    cells.add_row(column.header, cell)
            yield Padding(cells, (1, 0, 0, 0))


def table(*columns: str) -> Table:
    """Create an empty table whose first column is never wrapped, so that it can be copied."""
    made = FittingTable(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold", no_wrap=column == columns[0])
    return made
