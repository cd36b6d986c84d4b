"""Parameters of a request to a task, read with their bounds."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from serval.errors import InvalidParameter


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a request says beside its inputs; a ``null`` is as good as nothing."""

    values: Mapping[str, Any] = field(default_factory=dict)

    def expect(self, known: Collection[str] | None) -> None:
        """Refuse a parameter that the task does not have; None: it has any."""
        for name in self.values:
            if known is not None and name not in known:
                raise InvalidParameter(name, self.values[name], describe_known(name, known))

    def get(self, name: str) -> Any:
        """Return a value as it was sent, or None."""
        return self.values.get(name)

    def integer(self, name: str, default: int, *, least: int = 0, most: int = 2**31) -> int:
        """Return an integer."""
        value = self.values.get(name)
        if value is None:
            return default
        if type(value) is not int or not least <= value <= most:
            raise InvalidParameter(name, value, f"an integer from {least} to {most}")
        return value

    def number(self, name: str, default: float, *, least: float = 0.0, most: float = 1e9) -> float:
        """Return a number."""
        value = self.values.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidParameter(name, value, f"a number from {least:g} to {most:g}")
        if not least <= value <= most:
            raise InvalidParameter(name, value, f"a number from {least:g} to {most:g}")
        return float(value)

    def flag(self, name: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self.values.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise InvalidParameter(name, value, "true or false")
        return value

    def text(self, name: str, default: str) -> str:
        """Return a string."""
        value = self.values.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            raise InvalidParameter(name, value, "a string")
        return value

    def choice(self, name: str, default: str, choices: Collection[str]) -> str:
        """Return one of a few words."""
        value = self.values.get(name)
        if value is None:
            return default
        if value not in choices:
            raise InvalidParameter(name, value, f"one of: {', '.join(choices)}")
        return str(value)

    def members(self, name: str, known: Collection[str]) -> Mapping[str, Any]:
        """Return an object of further parameters; nothing is one without any."""
        value = self.values.get(name) or {}
        if not isinstance(value, dict):
            raise InvalidParameter(name, value, "an object")
        Parameters(value).expect(known)
        return value

    def texts(self, name: str) -> list[str]:
        """Return a list of strings; a single string is a list of one, nothing is empty."""
        value = self.values.get(name)
        if value is None:
            return []
        if isinstance(value, str):
            return [value]
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise InvalidParameter(name, value, "a list of strings")
        return value


def describe_known(name: str, known: Collection[str]) -> str:
    """Describe the names that may be given in the place of ``name``, the most similar first."""
    # Imported late: a call that is right needs no help.
    from difflib import get_close_matches

    if not known:
        return "no parameters"
    names = ", ".join(sorted(known))
    nearest = get_close_matches(name[:64], known, n=1)
    return f"{nearest[0]!r} or another of: {names}" if nearest else f"one of: {names}"
