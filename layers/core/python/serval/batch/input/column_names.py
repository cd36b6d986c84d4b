"""Names of columns, and whether they match what an input asks for."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from serval.errors import BatchRefused

NUMBERED = ("{name}_{index}", "{name}.{index}", "{name}[{index}]")
"""Names that the columns of an input with several elements may have."""
LISTED = 12
INSIGNIFICANT = re.compile(r"[\W_]+")


@dataclass(slots=True)
class ColumnNames:
    """The columns of a file."""

    all: Sequence[str]
    named: Sequence[str]
    """Columns that the file itself names."""
    _known: set[str] = field(init=False)
    _folded: dict[str, list[str]] = field(init=False)

    def __post_init__(self) -> None:
        self._known = set(self.named)
        self._folded = {}
        for name in self.named:
            self._folded.setdefault(name.casefold(), []).append(name)

    def has(self, name: str) -> bool:
        """Return whether there is such a column, in upper or lower case."""
        return name in self.all or name.casefold() in self._folded

    def match(
        self, tiers: Sequence[Sequence[tuple[str, ...]]], *, every: bool = False
    ) -> tuple[tuple[str, ...], bool] | None:
        """Find columns by name; also return whether only their case differs.

        Parameters
        ----------
        tiers
            Possible names, each a complete tuple; an earlier tier takes precedence.
        every
            Whether columns that the file does not name count, under their generated names.

        Raises
        ------
        BatchRefused
            If two of one tier match.
        """
        known = set(self.all) if every else self._known
        for tier in tiers:
            if exact := [wished for wished in tier if known.issuperset(wished)]:
                return _require_one(exact), False
        for tier in tiers:
            if alike := [own for one in tier if (own := self._match_other_case(one, known))]:
                return _require_one(alike), True
        return None

    def find_similar(self, wished: Sequence[str]) -> tuple[str, ...] | None:
        """Find columns whose names differ only in spaces, punctuation and case."""
        plain: dict[str, list[str]] = {}
        for name in self.named:
            plain.setdefault(_normalise(name), []).append(name)
        found = [plain.get(_normalise(name), []) for name in wished]
        if any(len(each) != 1 for each in found):
            return None
        return tuple(each[0] for each in found)

    def _match_other_case(self, wished: tuple[str, ...], known: set[str]) -> tuple[str, ...] | None:
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
        # One column in place of two with the same name would be a guess.
        return tuple(found) if len(set(found)) == len(set(wished)) else None


def element_names(name: str, width: int) -> list[tuple[str, ...]]:
    """List the possible names of an input's columns."""
    return [
        tuple(pattern.format(name=name, index=index) for index in range(width))
        for pattern in NUMBERED
    ]


def numbered_names(name: str) -> set[str]:
    """List the possible names of an input's first column."""
    return {name, *(pattern.format(name=name, index=0) for pattern in NUMBERED)}


def quoted_list(names: Sequence[str], most: int = LISTED) -> str:
    """Join quoted names; of many only the first."""
    more = len(names) - most
    listed = ", ".join(map(repr, names[:most]))
    return f"{listed} and {more} more" if more > 0 else listed


def write_choice(mapping: Mapping[str, Sequence[str]]) -> str:
    """Write a choice of columns as the job's options take it."""
    shown = {
        name: [*own[:LISTED], *(["…"] if len(own) > LISTED else [])]
        for name, own in mapping.items()
    }
    return json.dumps(shown, ensure_ascii=False)


def _require_one(found: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    if len(set(found)) > 1:
        raise BatchRefused(
            f"columns {quoted_list(found[0], 2)} and {quoted_list(found[1], 2)} are both called as "
            "one input is: choose with 'columns'"
        )
    return found[0]


def _normalise(name: str) -> str:
    return INSIGNIFICANT.sub("", name.casefold())
