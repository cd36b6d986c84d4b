"""Answers that are kept, so that a version need not run for what it has answered before.

A key has the model, its version and a hash of what is asked: versions never mix, and whoever asks
the same of the same version finds the same, callers as well as the steps of pipelines. A cache that
fails, fails no call: the version runs.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from serval.errors import InvalidRequest
from serval.inference.runtimes import Model
from serval.models.signature import TensorSpec
from serval.models.tensor import Tensor, add_to_digest
from serval.models.version import ModelVersion
from serval.protocol.client import read_response
from serval.protocol.request import InferenceRequest
from serval.protocol.response import InferenceResponse, write_response
from serval.tasks.task import Task

LAYOUT = 1
"""Of keys and of what is kept; another one has other keys."""
MOST_BYTES = 16 * 2**20
"""Of an answer that is kept."""
PAUSE_SECONDS = 10.0
"""How long a cache is left alone that has failed: each call would wait for it in vain."""
LENGTH_BYTES = 8
BINARY = InferenceRequest(inputs=(), binary_outputs=True)
Outcome = Literal["hit", "miss", "bypass"]
"""An answer was found; or the version ran, and its answer was kept; or its answers are of chance,
and it ran."""
Read = TypeVar("Read")


class CacheFailed(Exception):
    """The cache could not be read or written."""


class AnswerCache(Protocol):
    """Where answers are kept."""

    def find(self, key: str, oldest: float) -> bytes | None:
        """Return what was kept under a key since ``oldest``, a Unix time; None: nothing.

        Raises
        ------
        CacheFailed
            If that cannot be known.
        """

    def keep(self, key: str, body: bytes, seconds: int) -> None:
        """Keep an answer for so long, in the place of an older one; raise as ``find`` does."""


def note_outcome(outcomes: dict[str, Outcome], name: str, outcome: Outcome) -> None:
    """Note a run; a step that runs for each item is a hit if every one of them is."""
    before = outcomes.get(name, outcome)
    outcomes[name] = outcome if before == outcome else "miss"


@dataclass(slots=True)
class CacheUse:
    """What a version is without a cache, and what came of looking its answers up."""

    model: Model
    task: Task | None
    name: str
    """The step's; empty for a model that is called by itself."""
    outcomes: dict[str, Outcome]

    def note(self, outcome: Outcome) -> None:
        """Note a run."""
        note_outcome(self.outcomes, self.name, outcome)


@dataclass(slots=True)
class KeptAnswers:
    """The kept answers of all versions, as far as they can be had."""

    cache: AnswerCache
    log: Callable[[str], object]
    count_failure: Callable[[str], object]
    """Counts a failure of the cache for a model."""
    clock: Callable[[], float] = time.time
    _silent_until: float = 0.0

    def find(self, key: str, seconds: int, read: Callable[[bytes], Read]) -> Read | None:
        """Return an answer that is no older than so many seconds, if there is one."""
        now = self.clock()
        if now < self._silent_until:
            return None
        try:
            body = self.cache.find(key, now - seconds)
            return None if body is None else read(body)
        except (CacheFailed, InvalidRequest, ValueError) as error:
            self._note_failure(key, error)
            return None

    def keep(self, key: str, body: bytes, seconds: int) -> None:
        """Keep an answer, if it is not too large."""
        if len(body) > MOST_BYTES or self.clock() < self._silent_until:
            return
        try:
            self.cache.keep(key, body, seconds)
        except CacheFailed as error:
            self._note_failure(key, error)

    def _note_failure(self, key: str, error: Exception) -> None:
        self._silent_until = self.clock() + PAUSE_SECONDS
        self.log(json.dumps({"level": "WARNING", "cache": key, "error": str(error)}))
        self.count_failure(key.partition("/")[0])


def tensors_key(
    record: ModelVersion, inputs: Iterable[Tensor], outputs: Sequence[TensorSpec]
) -> str:
    """Return the key of what a version answers to inputs, for these outputs."""
    question = _begin_question(record)
    add_to_digest(question, inputs)
    question.update(json.dumps([spec.name for spec in outputs]).encode())
    return _write_key(record, question)


def task_key(record: ModelVersion, inputs: Sequence[Any], parameters: Mapping[str, Any]) -> str:
    """Return the key of what a version's task answers to inputs."""
    question = _begin_question(record)
    for each in inputs:
        is_file = isinstance(each, bytes)
        sent = each if is_file else json.dumps(each, sort_keys=True).encode()
        question.update(f"/{'file' if is_file else 'json'}/{len(sent)}/".encode())
        question.update(sent)
    said = {name: value for name, value in parameters.items() if value is not None}
    question.update(f"/{json.dumps(said, sort_keys=True)}".encode())
    return _write_key(record, question)


def _begin_question(record: ModelVersion) -> "hashlib.blake2b":
    return hashlib.blake2b(f"{LAYOUT}/{record.digest}".encode(), digest_size=32)


def _write_key(record: ModelVersion, question: "hashlib.blake2b") -> str:
    return f"{record.model}/{record.version}/{question.hexdigest()}"


def write_tensors(record: ModelVersion, outputs: Sequence[Tensor]) -> bytes:
    """Write outputs as they are kept."""
    response = InferenceResponse(record.model, record.version, list(outputs))
    body, length = write_response(response, BINARY)
    return (length or len(body)).to_bytes(LENGTH_BYTES, "little") + body


def read_tensors(body: bytes, outputs: Sequence[TensorSpec]) -> list[Tensor]:
    """Read what ``write_tensors`` wrote.

    Raises
    ------
    InvalidRequest, ValueError
        If it is something else.
    """
    length = int.from_bytes(body[:LENGTH_BYTES], "little")
    return read_response(body[LENGTH_BYTES:], str(length), outputs)
