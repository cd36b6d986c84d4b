"""Show the progress of uploads and downloads on stderr."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from serval_cli.output import errors

Began = Callable[[str, int, int], object]
Came = Callable[[int], object]


def transfer_bars() -> Progress:
    """Create bars that show bytes and their speed, on stderr."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=errors(),
    )


@contextmanager
def transfer(what: str) -> Iterator[tuple[Began, Came]]:
    """Show a bar per file; yield functions to call for each new file and for received bytes."""
    with transfer_bars() as progress:

        def began(name: str, size: int, here: int) -> None:
            total = size if size >= 0 else None
            progress.add_task(f"{what} {name}", total=total, completed=here)

        def came(count: int) -> None:
            progress.advance(progress.task_ids[-1], count)

        yield began, came
