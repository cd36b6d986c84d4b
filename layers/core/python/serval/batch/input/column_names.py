"""What columns are called, and whether that is what an input asks for."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from serval.errors import BatchRefused

NUMBERED = ("{name}_{index}", "{name}.{index}", "{name}[{index}]")
"""How the columns of an input with several elements may be called."""
LISTED = 12
INSIGNIFICANT = re.compile(r"[\W_]+")


@dataclass(slots=True)
class Names:
    """The columns of a file."""

    all: Sequence[str]
    named: Sequence[str]
    """Those that the file itself names."""
    _known: set[str] = field(init=False)
    _folded: dict[str, list[str]] = field(init=False)

    def __post_init__(self) -> None:
        self._known = set(self.named)
        self._folded = {}
        for name in self.named:
            self._folded.setdefault(name.casefold(), []).append(name)

    def has(self, name: str) -> bool:
        """Tell whether there is such a column, however its letters are written."""
        return name in self.all or name.casefold() in self._folded

    def match(
        self, tiers: Sequence[Sequence[tuple[str, ...]]], *, every: bool = False
    ) -> tuple[tuple[str, ...], bool] | None:
        """Find the columns that are called so, and tell whether capital letters differ.

        Parameters
        ----------
        tiers
            What they may be called, all of them together each time; an earlier tier goes first.
        every
            Whether columns that the file does not name count, by the names that they were given.

        Raises
        ------
        BatchRefused
            If two of one tier fit.
        """
        known = set(self.all) if every else self._known
        for tier in tiers:
            if exact := [wished for wished in tier if known.issuperset(wished)]:
                return _only(exact), False
        for tier in tiers:
            if alike := [own for one in tier if (own := self._in_other_letters(one, known))]:
                return _only(alike), True
        return None

    def alike(self, wished: Sequence[str]) -> tuple[str, ...] | None:
        """Find columns that are called so but for spaces, signs and capital letters."""
        plain: dict[str, list[str]] = {}
        for name in self.named:
            plain.setdefault(_plain(name), []).append(name)
        found = [plain.get(_plain(name), []) for name in wished]
        if any(len(each) != 1 for each in found):
            return None
        return tuple(each[0] for each in found)

    def _in_other_letters(self, wished: tuple[str, ...], known: set[str]) -> tuple[str, ...] | None:
        found: list[str] = []
        for name in wished:
            alike = [name] if name in known else self._folded.get(name.casefold(), [])
            if not alike:
                return None
            if len(alike) > 1:
                raise BatchRefused(
                    f"columns {quoted_list(alike)} are both called as {name!r} is, but for capital "
                    "letters: choose with 'columns'"
                )
            found += alike
        # One column in the place of two that are called alike would be a guess.
        return tuple(found) if len(set(found)) == len(set(wished)) else None


def element_names(name: str, width: int) -> list[tuple[str, ...]]:
    """List what the columns of an input may be called."""
    return [
        tuple(pattern.format(name=name, index=index) for index in range(width))
        for pattern in NUMBERED
    ]


def numbered_names(name: str) -> set[str]:
    """List what an input's first column may be called."""
    return {name, *(pattern.format(name=name, index=0) for pattern in NUMBERED)}


def quoted_list(names: Sequence[str], most: int = LISTED) -> str:
    """Show names; of many the first."""
    more = len(names) - most
    listed = ", ".join(map(repr, names[:most]))
    return f"{listed} and {more} more" if more > 0 else listed


def suggested(mapping: Mapping[str, Sequence[str]]) -> str:
    """Write a choice of columns as the job's options take it."""
    shown = {
        name: [*own[:LISTED], *(["…"] if len(own) > LISTED else [])]
        for name, own in mapping.items()
    }
    return json.dumps(shown, ensure_ascii=False)


def _only(found: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    if len(set(found)) > 1:
        raise BatchRefused(
            f"columns {quoted_list(found[0], 2)} and {quoted_list(found[1], 2)} are both called as "
            "one input is: choose with 'columns'"
        )
    return found[0]


def _plain(name: str) -> str:
    return INSIGNIFICANT.sub("", name.casefold())
