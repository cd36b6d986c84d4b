"""Pieces of a stream: a token each, numbered from 1, and how they are stored."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from serval.models.task_signature import NAMES, OPENAI, PARAMETERS

if TYPE_CHECKING:  # the functions that follow streams have no numpy
    from serval.models.tensor import Tensor

STREAMED_TASK = "text-generation"
"""The task whose answers are written piece by piece."""
UNKNOWN = -1
"""Instead of a token: what an inference server writes at once may be several."""


@dataclass(frozen=True, slots=True)
class LikelyToken:
    """One of the likeliest tokens of a step."""

    id: int
    text: str
    logprob: float
    special: bool = False
    """Whether it is no text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A token with the text that it adds."""

    number: int
    """Its place in the stream, from 1."""
    id: int
    """``UNKNOWN``: an inference server does not tell."""
    text: str
    """What can be read with it; empty while bytes of a character are missing, or the end of the
    text may turn out to be a stop string."""
    word: str | None = None
    """What the token adds by itself; None: ``text``."""
    special: bool = False
    """Whether the token is no text."""
    logprob: float | None = None
    """The logarithm of its probability, where the request wants it."""
    top: tuple[LikelyToken, ...] = ()
    """The likeliest tokens of its step, where the request wants them."""
    finish: str | None = None
    """Why the text ends here: ``length``, ``eos_token`` or ``stop_sequence``."""
    prompt_tokens: int | None = None
    """How many tokens the prompt has; told with the last piece."""
    tokens: int | None = None
    """How many tokens the text has; told with the last piece, where pieces are no tokens."""


@dataclass(frozen=True, slots=True)
class StreamChunk:
    """Pieces in a row that one attempt of a request has written at once."""

    attempt: int
    version: str
    """The version that writes: another one would go on with another text."""
    pieces: tuple[Piece, ...]

    @property
    def first(self) -> int:
        """The number of its first piece."""
        return self.pieces[0].number

    @property
    def last(self) -> int:
        """The number of its last piece."""
        return self.pieces[-1].number

    @property
    def ended(self) -> bool:
        """Whether the text ends with it."""
        return self.pieces[-1].finish is not None


def write_pieces(pieces: Sequence[Piece]) -> str:
    """Write the pieces of a chunk; their numbers follow from the first one's."""
    return json.dumps([_row(one) for one in pieces], separators=(",", ":"))


def read_pieces(first: int, text: str) -> tuple[Piece, ...]:
    """Read what ``write_pieces`` wrote."""
    return tuple(_piece(first + at, row) for at, row in enumerate(json.loads(text)))


def _row(piece: Piece) -> list[Any]:
    """Return a piece as a list without the members that say nothing at its end."""
    top = [[one.id, one.text, one.logprob, *[1] * one.special] for one in piece.top]
    row = [
        piece.id,
        piece.text,
        piece.logprob,
        piece.finish,
        piece.prompt_tokens,
        1 if piece.special else None,
        top or None,
        piece.word,
        piece.tokens,
    ]
    while row[-1] is None:
        row.pop()
    return row


def _piece(number: int, row: Sequence[Any]) -> Piece:
    members: list[Any] = [*row, *[None] * (9 - len(row))]
    token, text, logprob, finish, prompt_tokens, special, top, word, tokens = members
    return Piece(
        number=number,
        id=token,
        text=text,
        word=word,
        special=bool(special),
        logprob=logprob,
        top=tuple(_likely(*one) for one in top or ()),
        finish=finish,
        prompt_tokens=prompt_tokens,
        tokens=tokens,
    )


def _likely(token: int, text: str, logprob: float, special: int = 0) -> LikelyToken:
    return LikelyToken(token, text, logprob, bool(special))


def is_one_text(inputs: "Sequence[Tensor]") -> bool:
    """Return whether these are inputs of a task that writes one text, or a call that may be."""
    given = [(one.name, one.array.shape) for one in inputs if one.name != PARAMETERS]
    return given in ([(NAMES["text"], (1,))], [(OPENAI, (1,))])
