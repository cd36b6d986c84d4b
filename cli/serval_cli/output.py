"""What commands print: results on stdout, everything else on stderr."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console, RenderableType
from rich.text import Text

PIPE_COLUMNS = 160


def show(value: Any, view: Callable[[Any], RenderableType], *, as_json: bool) -> None:
    """Print a result: as JSON, or as its view shows it to people."""
    if as_json:
        typer.echo(json.dumps(value, indent=2))
    else:
        results().print(view(value), soft_wrap=True)


def note(text: str) -> None:
    """Say something beside the result."""
    typer.echo(text, err=True)


def complain(text: str) -> None:
    """Say why the command failed."""
    console = errors()
    console.print(Text("error: ", style="bold red") + Text(text), soft_wrap=True)


def results() -> Console:
    """Give the console on stdout; in a pipe or a file lines are long."""
    console = Console(markup=False, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPE_COLUMNS
    return console


def errors() -> Console:
    """Give the console on stderr."""
    return Console(stderr=True, markup=False, highlight=False)


@contextmanager
def waiting(text: str) -> Iterator[Callable[[str], None]]:
    """Show on a terminal that something takes its time; gives what says a line of progress."""
    if not sys.stderr.isatty():
        note(text)
        yield note
        return
    console = errors()
    with console.status(Text(text)):
        yield lambda line: console.print(Text(line), soft_wrap=True)
