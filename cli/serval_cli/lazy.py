"""Commands that are imported when they run, so that ``serval --help`` imports none of them."""

import importlib
from typing import Any

import typer
from typer.core import TyperCommand

from serval_cli.failures import CommandFailed

EXTRAS = dict.fromkeys(("numpy", "onnx", "orjson", "simdjson"), "init")
"""A package that some commands need → the extra that installs it."""


class LazyCommand(TyperCommand):
    """Stands for a command, or a group of them, until its name is typed."""

    def __init__(self, name: str, place: str, summary: str, panel: str | None = None) -> None:
        """Name the command's Typer app as ``module:attribute``."""
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
        """Hand over to the command itself."""
        return self.load().make_context(*args, **kwargs)
