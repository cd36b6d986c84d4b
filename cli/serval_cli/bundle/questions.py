"""Questions of ``serval init`` to a person at a terminal."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import typer

from serval.models.storage import MODEL_NAME, MODEL_NAME_EXPECTED

KINDS = (
    ("an ONNX file", "Path of the file"),
    ("an exported folder (transformers, optimum, sentence-transformers)", "Path of the folder"),
    ("a file of another library, such as scikit-learn", "Path of the file"),
    ("nothing yet: just the folder to put a model into", None),
)
"""What one may have, and the question for where it is."""


def can_ask() -> bool:
    """Return whether a person can answer."""
    return sys.stdin.isatty()


def ask_source() -> Path | None:
    """Ask what the model is, and where; None if there is nothing yet."""
    typer.echo("What do you have?", err=True)
    question = KINDS[choose_number([what for what, _ in KINDS])][1]
    while question is not None:
        path = Path(typer.prompt(question, err=True)).expanduser()
        if path.exists():
            return path
        typer.echo(f"{path} is not there", err=True)
    return None


def ask_name(source: Path | None) -> str:
    """Ask what clients will call, proposing a name made of the file's."""
    proposal = None if source is None else propose_name(source)
    while True:
        name = str(typer.prompt("Name of the model, as clients will call it", proposal, err=True))
        if MODEL_NAME.fullmatch(name):
            return name
        typer.echo(f"{name!r}: expected {MODEL_NAME_EXPECTED}", err=True)


def propose_name(source: Path) -> str | None:
    """Make a name of a file's or a folder's."""
    stem = source.resolve().stem if source.is_file() else source.resolve().name
    name = "".join(c if c.isascii() and c.isalnum() else "-" for c in stem.lower()).strip("-")[:63]
    return name if MODEL_NAME.fullmatch(name) else None


def choice_of(what: str) -> Callable[[Sequence[str]], str] | None:
    """Return a function that asks which of several to take; None if nobody can answer."""
    if not can_ask():
        return None

    def ask(names: Sequence[str]) -> str:
        typer.echo(f"Which {what}?", err=True)
        return names[choose_number(names)]

    return ask


def choose_number(lines: Sequence[str]) -> int:
    """List lines with their numbers, ask for one, and return its index."""
    for number, line in enumerate(lines, 1):
        typer.echo(f"  {number}  {line}", err=True)
    while True:
        answer = str(typer.prompt("Number", "1", err=True)).strip()
        if answer.isdecimal() and 1 <= int(answer) <= len(lines):
            return int(answer) - 1
        typer.echo(f"{answer!r}: a number from 1 to {len(lines)} expected", err=True)
