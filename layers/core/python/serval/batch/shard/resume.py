"""Where a shard that ran short of time goes on, and what it has done so far.

All of it travels with the shard: its row may already count blocks that a crash took back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from serval.batch.job.job import Piece, ShardRecord
from serval.batch.shard.read import From

COUNTED = ("rows", "rejected", "records", "read_bytes", "written_bytes", "run_ms", "busy_ms")
SHOWN_CHARACTERS = 300
"""Of each reason."""


@dataclass(frozen=True, slots=True)
class Resume:
    """What an invocation leaves to the next one."""

    piece: int
    begin: From
    done: ShardRecord

    def to_json(self) -> dict[str, Any]:
        """Return the state as the state machine and the shard's row store it."""
        return {
            "piece": self.piece,
            "span": self.begin.span,
            "offset": self.begin.offset,
            "first": self.begin.first,
            "counts": {name: getattr(self.done, name) for name in COUNTED},
            "reasons": [reason[:SHOWN_CHARACTERS] for reason in self.done.reasons],
            "pieces": [piece.to_json() for piece in self.done.pieces],
            "errors": [piece.to_json() for piece in self.done.errors],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], record: ShardRecord) -> "Resume":
        """Read what ``to_json`` returned; ``record`` says which shard it belongs to."""
        done = replace(
            record,
            **value["counts"],
            reasons=tuple(value["reasons"]),
            pieces=tuple(Piece(**piece) for piece in value["pieces"]),
            errors=tuple(Piece(**piece) for piece in value["errors"]),
        )
        begin = From(value["span"], value["offset"], value["first"])
        return cls(value["piece"], begin, done)
