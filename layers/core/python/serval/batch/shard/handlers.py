"""Versions that shards on Lambda run: graphs in ``shard``, handlers in functions of their own.

A handler shares no process with other models' data, and ``shard`` reads those of all of them. So it
sends the bodies of rows to the model's own function, whose role reads this model alone, and
waits.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serval.errors import InvalidInputs, ServiceUnavailable
from serval.handlers.row_bodies import MOST_BYTES, RowAnswers, RowBodies
from serval.inference.loaded import Loaded
from serval.inference.runtimes import RuntimeFailed
from serval.models.signature import TensorSpec
from serval.models.tensor import Tensor
from serval.models.version import ModelVersion
from serval.protocol.binary_tensors import bytes_array

MOST_IDLE = 10
"""Calls in a row that answer nothing, since each found an environment that first had to load."""
Ask = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""Lets a model's own function answer an event."""


@dataclass(frozen=True, slots=True)
class ShardVersions:
    """Versions of all models, wherever they run."""

    find: Callable[[str, str], ModelVersion]
    load_here: Callable[[str, str], Loaded]
    ask: Ask

    def load(self, model: str, version: str) -> Loaded:
        """Return a version that runs; a handler's is loaded by its function, when it is asked."""
        record = self.find(model, version)
        if record.runtime != "python":
            return self.load_here(model, version)
        return Loaded.elsewhere(record, DistantHandler(self.ask, model, version))


@dataclass(frozen=True, slots=True)
class DistantHandler:
    """A version of a handler in the model's own function."""

    ask: Ask
    model: str
    version: str

    def run(self, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> list[Tensor]:
        """Let the function answer each body; the only output of rows is ``answer``.

        Raises
        ------
        InvalidInputs
            If a body is too long, or the handler refuses it.
        RuntimeFailed
            If the handler fails.
        ServiceUnavailable
            If the function does not answer, or cannot load the version.
        """
        bodies = [bytes(body) for body in inputs[0].array.ravel().tolist()]
        [spec] = outputs
        answers: list[bytes] = []
        idle = 0
        while len(answers) < len(bodies):
            found = self._ask([*take_bodies(bodies[len(answers) :])])
            answers += found.answers
            idle = 0 if found.answers else idle + 1
            if idle == MOST_IDLE:
                raise ServiceUnavailable(
                    f"model {self.model!r}: its own function was called {idle} times, and had no "
                    "time left for a row"
                )
        return [Tensor(spec.name, spec.datatype, bytes_array(answers, [len(answers)]))]

    def _ask(self, bodies: Sequence[bytes]) -> RowAnswers:
        event = RowBodies(self.model, self.version, bodies).to_event()
        found = RowAnswers.from_json(self.ask(self.model, event))
        if found.outcome == "refused":
            raise InvalidInputs(found.why)
        if found.outcome == "failed":
            raise RuntimeFailed(found.why)
        if found.outcome == "unavailable":
            raise ServiceUnavailable(found.why)
        return found


def take_bodies(bodies: Sequence[bytes]) -> Iterator[bytes]:
    """Yield as many of the first bodies as an event has room for.

    Raises
    ------
    InvalidInputs
        If it has none for the first.
    """
    if len(bodies[0]) > MOST_BYTES:
        raise InvalidInputs(
            f"the body has {len(bodies[0])} bytes: at most {MOST_BYTES} are sent to a handler on "
            "Lambda"
        )
    room = MOST_BYTES
    for body in bodies:
        if (room := room - len(body)) < 0:
            return
        yield body
