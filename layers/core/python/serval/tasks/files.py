"""What the makers of a model wrote beside its graph: tokenizer, config, preprocessor."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serval.foreign import refusing
from serval.short_repr import short_repr
from serval.tasks.graph import TaskGraph


class TaskUnreadable(Exception):
    """A task cannot be opened from its bundle: the message names the file and what is missing."""


@dataclass(frozen=True, slots=True)
class TaskFiles:
    """The folder of a bundle, and what ``task:`` in its model.yaml says."""

    folder: Path
    open_graph: Callable[[Path], TaskGraph]
    """Opens a further graph of the bundle, such as a decoder."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The keys of ``task:``; a key that is not given is absent."""

    def has(self, name: str) -> bool:
        """Return whether the bundle has a file."""
        return (self.folder / name).is_file()

    def path(self, name: str, purpose: str) -> Path:
        """Return the path of a file that the task cannot do without.

        ``purpose`` completes the message, as in "which turns text into tokens".

        Raises
        ------
        TaskUnreadable
            If the bundle lacks it.
        """
        path = self.folder / name
        if not path.is_file():
            raise TaskUnreadable(f"the bundle has no {name}, {purpose}")
        return path

    def json(self, name: str) -> dict[str, Any]:
        """Read a JSON object; empty if the bundle has no such file.

        Raises
        ------
        TaskUnreadable
            If it is not a JSON object.
        """
        path = self.folder / name
        if not path.is_file():
            return {}
        with refusing(lambda said: TaskUnreadable(f"{name} is not JSON: {said}")):
            value = json.loads(path.read_bytes())
        if not isinstance(value, dict):
            raise TaskUnreadable(f"{name}: a JSON object expected, {short_repr(value)} found")
        return value

    def graph(self, name: str, purpose: str) -> TaskGraph:
        """Open a further graph of the bundle."""
        return self.open_graph(self.path(name, purpose))
