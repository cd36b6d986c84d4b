"""Import commands when they run, so that ``serval --help`` imports none."""

import importlib
from typing import Any

import typer
from typer.core import TyperCommand

from serval_cli.failures import CommandFailed

EXTRAS = dict.fromkeys(("numpy", "onnx", "orjson", "simdjson"), "init")
"""Package that some commands need → extra that installs it."""


class LazyCommand(TyperCommand):
    """A stand-in for a command, or a group of commands, until its name is typed."""

    def __init__(self, name: str, place: str, summary: str, panel: str | None = None) -> None:
        """Remember where the command's Typer app is, as ``module:attribute``."""
        super().__init__(name, help=summary, rich_markup_mode="rich", rich_help_panel=panel)
        self.place = place

    def load(self) -> Any:
        """Import the command."""
        module, attribute = self.place.split(":")
        try:
            command = typer.main.get_command(getattr(importlib.import_module(module), attribute))
        except ModuleNotFoundError as missing:
            if missing.name not in EXTRAS:
                raise
            raise CommandFailed(
                f"`serval {self.name}` needs {missing.name}, which is not installed: "
                f"`pip install '.[{EXTRAS[missing.name]}]'` in the checkout does"
            ) from None
        command.name = self.name
        return command

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Delegate to the command."""
        return self.load().make_context(*args, **kwargs)
