"""Show the steps of ``up`` on stderr while they run."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, Self

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

Detail = Callable[[str], None]


class Steps(Protocol):
    """Shows steps, several of which may run at a time."""

    def step(self, name: str) -> AbstractContextManager[Detail]:
        """Show a step until the context ends; yield a function that shows a detail of it."""

    def note(self, text: str) -> None:
        """Print a remark between the steps."""


class PlainSteps:
    """Shows a line when a step begins and one when it ends."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def step(self, name: str) -> Iterator[Detail]:
        """Show a step without its details."""
        begun = time.monotonic()
        self.note(f"· {name}")
        yield lambda text: None
        self.note(f"✓ {name}  {time.monotonic() - begun:.1f} s")

    def note(self, text: str) -> None:
        """Print a line."""
        self._console.print(text)


class LiveSteps:
    """Shows a line for each step, with a spinner while it runs."""

    def __init__(self, console: Console) -> None:
        self._live = Progress(
            SpinnerColumn(finished_text="[green]✓[/green]"),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            TextColumn("{task.fields[detail]}", style="dim", markup=False),
            console=console,
        )

    def __enter__(self) -> Self:
        """Start drawing."""
        self._live.start()
        return self

    def __exit__(self, *failure: object) -> None:
        """Draw for the last time."""
        self._live.stop()

    @contextmanager
    def step(self, name: str) -> Iterator[Detail]:
        """Show a step on a line of its own."""
        task: TaskID = self._live.add_task(name, total=1, detail="")
        yield lambda text: self._live.update(task, detail=text)
        self._live.update(task, completed=1, detail="")

    def note(self, text: str) -> None:
        """Print above the steps."""
        self._live.console.print(text)


@contextmanager
def steps_on(console: Console) -> Iterator[Steps]:
    """Show steps live on a terminal, else line by line."""
    if not console.is_terminal:
        yield PlainSteps(console)
        return
    with LiveSteps(console) as live:
        yield live
