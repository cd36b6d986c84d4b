"""Texts of a fleet as server-sent events, while they are written.

The event with a piece's text has the piece's number for its id: whoever was cut off goes on behind
it at ``GET /async/requests/{id}/events``, and has each text once.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

from serval.http.protocols.in_events import in_event
from serval.requests.stream.live import LiveText
from serval.requests.stream.piece import LikelyToken, Piece
from serval.tasks.generation.wording import last_event, token_event, token_object
from serval.tasks.openai.chunks import ChunkWriter
from serval.tasks.openai.told import TokenInWords, Told, WaitingTokens

STILL_HERE = b": nothing yet\n"
"""A comment, which keeps a connection open. No empty line follows: openai's client would take that
for the end of an event."""


def tell_chunks(live: LiveText, begin: Callable[[], ChunkWriter]) -> Iterator[bytes]:
    """Write the chunks of a call of OpenAI's API, which begin once the version is known."""
    chunks: ChunkWriter | None = None
    waiting, told, last = WaitingTokens(), 0, None
    for piece in live.pieces():
        if piece is None:
            yield STILL_HERE
            continue
        chunks = chunks or begin()
        told += len(piece.text)
        if not piece.special:
            waiting.add(_in_words(piece))
        released = waiting.release(told)
        documents = list(chunks.write(Told(0, piece.text, released, piece.finish)))
        yield from _number_text(documents, piece)
        last = piece
    if chunks is not None and last is not None:
        yield from map(in_event, chunks.end(last.prompt_tokens or 0, last.tokens))


def tell_tokens(live: LiveText, *, with_top: bool) -> Iterator[bytes]:
    """Write an event for each token, as ``serval.tasks.generation.stream_text`` does.

    The last one waits for the request's result, which has the whole text.
    """
    for piece in live.pieces():
        if piece is None:
            yield STILL_HERE
            continue
        top = [_token(likely) for likely in piece.top] if with_top else None
        event = token_event(piece.number, _token(piece), top)
        if piece.finish is not None:
            answer = json.loads(live.answer())
            text, seed = answer["generated_text"], answer.get("details", {}).get("seed")
            event = last_event(event, text, piece.finish, piece.prompt_tokens, seed)
        yield in_event(event, piece.number)


def _number_text(documents: list[dict[str, Any]], piece: Piece) -> Iterator[bytes]:
    """Write what a piece tells; the event with its text, the last but for the end, is numbered."""
    numbered = max(1, len(documents) - (piece.finish is not None))
    for at, document in enumerate(documents, start=1):
        yield in_event(document, piece.number if at == numbered else None)


def _token(one: Piece | LikelyToken) -> dict[str, Any]:
    return token_object(one.id, one.text, one.logprob, special=one.special)


def _in_words(piece: Piece) -> TokenInWords:
    top = [(one.text, one.logprob) for one in piece.top]
    return TokenInWords(piece.text if piece.word is None else piece.word, piece.logprob, top)
