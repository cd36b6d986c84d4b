"""Expressions of a pipeline: JSONata, or the plain name of what is handed on as it is.

A name alone, and a step's output by its name, are read without JSONata, so that a pipeline that
only hands tensors on never loads it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from serval.foreign import refusing
from serval.pipelines.definition import STEP_NAME
from serval.pipelines.shapes import ANY, NoSuchField, Shape, field_of

if TYPE_CHECKING:
    from serval.pipelines.jsonata_engine import BoundedJsonata

MOST_CHARACTERS = 4096
"""Of the text of an expression."""
PLAIN = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)(?:\.(?:([A-Za-z_][A-Za-z0-9_]*)|`([^`\s]+)`))?\s*")


class ExpressionWrong(Exception):
    """An expression cannot be parsed or evaluated."""


@dataclass(frozen=True, slots=True)
class Read:
    """What an expression reads, and gives."""

    whole: frozenset[str]
    """Inputs and steps that are read as a whole."""
    parts: frozenset[tuple[str, str]]
    """Steps, each with one of its outputs that is read."""
    shape: Shape
    mistakes: tuple[str, ...]

    @property
    def names(self) -> frozenset[str]:
        """All inputs and steps that are read."""
        return self.whole | {name for name, _ in self.parts}


@dataclass(slots=True)
class Expression:
    """One expression, parsed."""

    text: str
    source: str | None = None
    """The input or step, if the expression only names one; None if it does more."""
    part: str | None = None
    """The output of the step that it names."""
    parsed: "BoundedJsonata | None" = None
    written: str | None = None
    """The text in the file that this was made from, for messages; None if it is the same."""

    @property
    def shown(self) -> str:
        """The text that messages show."""
        return self.written or self.text

    def reads(self, known: Mapping[str, Shape]) -> Read:
        """Find what the expression reads, given the shapes of inputs and steps."""
        if self.source is None:
            # Imported for an expression that is one.
            from serval.pipelines.reading import Reading

            reading = Reading(known)
            shape = reading.walk(self._tree.ast)
            mistakes = tuple(dict.fromkeys(reading.mistakes))
            return Read(frozenset(reading.whole), frozenset(reading.parts), shape, mistakes)
        try:
            shape = field_of(known, self.source, "the pipeline")
            if self.part is None:
                return Read(frozenset((self.source,)), frozenset(), shape, ())
            part = field_of(shape, self.part, repr(self.source))
            return Read(frozenset(), frozenset(((self.source, self.part),)), part, ())
        except NoSuchField as mistake:
            names = frozenset((self.source,)) & known.keys()
            return Read(names, frozenset(), ANY, (str(mistake),))

    def evaluate(self, data: Mapping[str, Any]) -> Any:
        """Evaluate the expression over the values of inputs and steps, which must be JSON.

        Raises
        ------
        ExpressionWrong
            If it fails, gives nothing or takes too much.
        """
        if self.source is not None and self.part is None:
            if self.source in data:
                return data[self.source]
            raise ExpressionWrong(f"{self.shown!r} gives nothing, a value expected")
        # Imported for an expression that is one.
        from serval.pipelines.jsonata_engine import NOTHING

        with refusing(lambda said: ExpressionWrong(f"{self.shown!r}: {said}")):
            found = self._tree.answer(data)
        if found is NOTHING:
            raise ExpressionWrong(f"{self.shown!r} gives nothing, a value expected")
        return found

    @property
    def _tree(self) -> "BoundedJsonata":
        if self.parsed is None:
            self.parsed = parse_jsonata(self.text)
        return self.parsed


def parse_written(text: str, written: str) -> Expression:
    """Parse an expression made from one in the file, after checking the one in the file.

    Raises
    ------
    ExpressionWrong
        If either is none, or too long.
    """
    parse_expression(written)
    return Expression(text, parsed=parse_jsonata(text), written=written)


def parse_expression(text: str) -> Expression:
    """Parse an expression.

    Raises
    ------
    ExpressionWrong
        If it is none, or too long.
    """
    if len(text) > MOST_CHARACTERS:
        raise ExpressionWrong(f"{len(text)} characters, at most {MOST_CHARACTERS} allowed")
    plain = PLAIN.fullmatch(text)
    if plain and STEP_NAME.fullmatch(plain[1]):
        part = plain[2] or plain[3]
        # What a path finds in JSON is JSONata's to say; tensors are found by their names.
        return Expression(text, plain[1], part)
    return Expression(text, parsed=parse_jsonata(text))


def parse_jsonata(text: str) -> "BoundedJsonata":
    """Parse JSONata; raise ``ExpressionWrong`` if it is not JSONata."""
    # Imported for an expression that is one.
    from serval.pipelines.jsonata_engine import BoundedJsonata

    with refusing(lambda said: ExpressionWrong(f"{text!r} is not JSONata: {said}")):
        return BoundedJsonata(text)
