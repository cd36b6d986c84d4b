"""Print results on stdout and everything else on stderr."""

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
    """Print a result as JSON, or as its view renders it."""
    if as_json:
        typer.echo(json.dumps(value, indent=2))
    else:
        results().print(view(value), soft_wrap=True)


def note(text: str) -> None:
    """Print a remark on stderr."""
    typer.echo(text, err=True)


def complain(text: str) -> None:
    """Print the error that ended the command."""
    console = errors()
    console.print(Text("error: ", style="bold red") + Text(text), soft_wrap=True)


def results() -> Console:
    """Return the console on stdout, with long lines if it is not a terminal."""
    console = Console(markup=False, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPE_COLUMNS
    return console


def errors() -> Console:
    """Return the console on stderr."""
    return Console(stderr=True, markup=False, highlight=False)


@contextmanager
def waiting(text: str) -> Iterator[Callable[[str], None]]:
    """Show a spinner on a terminal, and yield a function that prints progress."""
    if not sys.stderr.isatty():
        note(text)
        yield note
        return
    console = errors()
    with console.status(Text(text)):
        yield lambda line: console.print(Text(line), soft_wrap=True)
