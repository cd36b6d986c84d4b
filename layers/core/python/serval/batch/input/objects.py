"""Objects as records: each is a row, and its bytes are the model's one input."""

import json
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
import polars as pl

from serval.batch.input.records import Reject, Rows
from serval.batch.input.row_values import stack_rows
from serval.batch.job.keys import Source
from serval.errors import BatchRefused
from serval.models.signature import TensorSpec
from serval.models.tensor import Array, Tensor

LARGEST_BYTES = 100 * 2**20
"""Of one object, which is held in memory as a whole."""

Fetch = Callable[[Source], bytes]
"""Returns an object's bytes, or raises ``BatchRefused`` if it is gone or has changed."""


@dataclass(frozen=True, slots=True)
class ObjectRecords:
    """Fetches the objects that a block's lines name, several at once."""

    spec: TensorSpec
    fetch: Fetch
    pool: Executor
    joined: str = ""
    """Column of the addresses; empty if it is not wanted."""

    def read(self, block: bytes, first_record: int, offset: int) -> Rows:
        """Fetch the objects of a block."""
        sources = [Source.from_json(json.loads(line)) for line in block.splitlines()]
        bodies = list(self.pool.map(self._body, sources))
        rejects = tuple(
            Reject(first_record + index, None, body, str(source.address))
            for index, (source, body) in enumerate(zip(sources, bodies, strict=True))
            if isinstance(body, str)
        )
        there = [index for index, body in enumerate(bodies) if isinstance(body, bytes)]
        found = [body for body in bodies if isinstance(body, bytes)]
        names = [str(sources[index].address) for index in there]
        return Rows(
            (Tensor(self.spec.name, self.spec.datatype, self._array(found)),),
            len(found),
            first_record,
            np.array(there, np.int64) if rejects else None,
            rejects,
            pl.DataFrame({self.joined: names}) if self.joined else None,
            names=names,
            read_bytes=sum(map(len, found)),
        )

    def _body(self, source: Source) -> bytes | str:
        """Return an object's bytes, or why it cannot be read."""
        if source.size_bytes > LARGEST_BYTES:
            return f"the object has {source.size_bytes} bytes, at most {LARGEST_BYTES} allowed"
        try:
            return self.fetch(source)
        except BatchRefused as reason:
            return str(reason)

    def _array(self, bodies: list[bytes]) -> Array:
        if self.spec.datatype == "BYTES":
            array = np.empty(len(bodies), np.object_)
            array[:] = bodies
            return array.reshape((len(bodies), *self.spec.shape[1:]))
        rows: list[Array] = [np.frombuffer(body, np.uint8) for body in bodies]
        return stack_rows(rows, self.spec)
