"""``AnswerCache`` in memory, and endpoints and stages that keep answers in it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from serval.inference.cached import keep_answers
from serval.inference.kept_answers import CacheFailed, KeptAnswers
from tests.fakes.inference import Bench, InMemoryEdge


@dataclass
class InMemoryAnswers:
    """What is kept, when, and how often it was asked for."""

    clock: Callable[[], float]
    bodies: dict[str, tuple[float, bytes]] = field(default_factory=dict)
    fails: bool = False
    """Nothing can be read or written."""
    asked: int = 0
    kept: int = 0

    def find(self, key: str, oldest: float) -> bytes | None:
        self.asked += 1
        if self.fails:
            raise CacheFailed("it did not answer")
        written, body = self.bodies.get(key, (0.0, b""))
        return body if key in self.bodies and written >= oldest else None

    def keep(self, key: str, body: bytes, seconds: int) -> None:
        self.kept += 1
        if self.fails:
            raise CacheFailed("it did not answer")
        self.bodies[key] = self.clock(), body


def cache_answers(made: Bench) -> InMemoryAnswers:
    """Have the versions of an endpoint keep answers, as the composition root does."""
    answers, metrics = InMemoryAnswers(made.clock), made.endpoint.metrics
    kept = KeptAnswers(
        answers, made.log.append, lambda model: metrics.count_failure(model, "cached"), made.clock
    )
    made.endpoint.inference.loaded.with_cache = partial(keep_answers, kept)
    return answers


def declare_cache(edge: InMemoryEdge, model: str, seconds: int = 60, version: str = "1") -> None:
    """Have a version of a model say that its answers may be so old."""
    record = edge.records[model, version]
    bundle = {**record.bundle, "cache": {"ttl_seconds": seconds}}
    edge.records[model, version] = replace(record, bundle=bundle)
