"""Streams of models on Lambda: submitted, written by ``answer``, followed, and gone on with."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from serval.inference.loaded import Loaded
from serval.inference.run import Outputs
from serval.models.route import Route
from serval.requests.stream.piece import Piece
from serval.worker.queue.deliveries import END_SECONDS, Deliveries
from serval.worker.queue.held import Held
from serval.worker.streams.text import APPEND_SECONDS, StreamedText, open_text, seed_of
from tests.fakes.fleet_calls import WordsWorld
from tests.fakes.submission import Bench, answered, call, refusal
from tests.fakes.task_models import publish_recorded
from tests.fakes.worker import LEASE, Registry, WorkerDied
from tests.functional.test_answer import Light
from tests.functional.test_request_events import parse

MODEL, TOKENS = "iris", 12
SECONDS = 900.0
"""How long the function may take."""
LOTS: dict[str, Any] = {"max_new_tokens": TOKENS, "min_new_tokens": TOKENS}
DRAWN = LOTS | {"do_sample": True, "temperature": 1.5}


@dataclass(frozen=True)
class Paced:
    """``StreamedText`` that takes its time; something may happen before a piece."""

    text: StreamedText
    before: Callable[[int], object]

    def pieces(self) -> Iterator[Piece]:
        for piece in self.text.pieces():
            self.before(piece.number)
            yield piece

    def ready(self) -> bool:
        return self.text.ready()

    def outputs(self) -> Outputs:
        return self.text.outputs()


@dataclass
class WritingLight(Light):
    """A stage whose model ``iris`` writes text on Lambda, and its API."""

    before: Callable[[int], object] = lambda number: None
    """Called before each piece, with its number."""
    written: list[int] = field(default_factory=list)
    """Numbers of the pieces that were made, by any environment."""
    bench: Bench = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.bench = Bench(
            edge=self.world.registry,
            store=self.world.store,
            payloads=self.payloads,
            streams=self.world.streams,
        )
        publish_recorded(self.world.registry, MODEL, "gpt2", "text-generation")

    def environment(self, name: str = "lambda-1", beat_seconds: float = 3600.0) -> Deliveries:
        made = super().environment(name, beat_seconds)
        made.streams.open = self.open
        return made

    def open(self, loaded: Loaded, held: Held) -> StreamedText:
        return Paced(open_text(loaded, held), self.pass_time)

    def pass_time(self, number: int) -> None:
        self.before(number)
        self.written.append(number)
        self.world.clock.pass_seconds(APPEND_SECONDS)

    def submit(self, query: str = "stream=true", **parameters: Any) -> str:
        """Submit a text, and give the request's id."""
        event = call("submit", f"/async/models/{MODEL}/infer", asked(**parameters), query=query)
        made: str = answered(self.bench.submit.reply(event), 202)["id"]
        self.bench.queue.sent.clear()
        self.world.inbox.send(MODEL, made)
        return made

    def text_of(self, request_id: str) -> str:
        """Give the text of a result."""
        [answer] = self.world.result(request_id)
        return str(json.loads(answer)["generated_text"])

    def whole(self, **parameters: Any) -> str:
        """Give the text that is answered without a stream."""
        plain = self.submit("", **parameters)
        assert self.deliver(self.environment("whole"), MODEL) == []
        return self.text_of(plain)

    def read(self, request_id: str, after: int = 0) -> list[tuple[str, int | None, Any]]:
        """Read the events that there are: the kind, the number and the data of each."""
        path = f"/async/requests/{request_id}/events"
        event = call("requests_get", path, **{"last-event-id": str(after)})
        reply = self.bench.requests.reply(
            event
            | {
                "routeKey": "GET /async/requests/{id}/events",
                "pathParameters": {"id": request_id},
            }
        )
        assert reply["statusCode"] == 200, reply
        return [parse(each) for each in reply["body"].split("\n\n")[1:] if each]

    def die(self, environment: Deliveries, at: int) -> None:
        """Let an environment write until one piece, and be gone."""

        def strike(number: int) -> None:
            if number == at:
                raise WorkerDied

        self.before = strike
        with pytest.raises(WorkerDied):
            self.deliver(environment, MODEL)
        self.before = lambda number: None
        self.world.clock.pass_seconds(LEASE.total_seconds() + 1)


def asked(**parameters: Any) -> dict[str, Any]:
    values = {"text": "Once", "parameters": json.dumps(parameters)}
    return {
        "inputs": [
            {"name": name, "shape": [1], "datatype": "BYTES", "data": [value]}
            for name, value in values.items()
        ]
    }


@pytest.fixture
def light(tmp_path: Path) -> WritingLight:
    return WritingLight(WordsWorld(tmp_path, registry=Registry()))


def assert_whole(light: WritingLight, request_id: str, text: str) -> None:
    """Hold a stream that has ended to the text, each number once."""
    *tokens, end = light.read(request_id)
    assert [number for _, number, _ in tokens] == list(range(1, TOKENS + 1))
    assert "".join(data["text"] for _, _, data in tokens) == text == light.text_of(request_id)
    assert end == ("end", TOKENS, {"id": request_id, "status": "succeeded", "error": None})
    assert light.world.inbox.queues[MODEL] == []


@pytest.mark.parametrize("parameters", [LOTS, DRAWN | {"seed": 7}])
def test_a_text_is_written_in_chunks_and_is_the_one_that_comes_whole(
    light: WritingLight, parameters: dict[str, Any]
) -> None:
    made = light.submit(**parameters)
    assert light.deliver(light.environment(), MODEL) == []
    assert_whole(light, made, light.whole(**parameters))
    assert light.world.row(made).attempts == 1
    assert len(light.world.streams.read(made, 0)) > TOKENS / 3


def test_a_reader_follows_goes_away_and_goes_on_behind_its_last_event(light: WritingLight) -> None:
    read: list[tuple[str, int | None, Any]] = []

    def look(number: int) -> None:
        if number in (4, 9):
            read.extend(light.read(made, read[-1][1] or 0 if read else 0))

    light.before, made = look, light.submit(**LOTS)
    assert light.deliver(light.environment(), MODEL) == []
    first = len(read)
    assert 3 <= first < TOKENS, "it is read while it is written"
    read.extend(light.read(made, read[-1][1] or 0))
    assert [number for _, number, _ in read] == [*range(1, TOKENS + 1), TOKENS]
    assert "".join(data["text"] for _, _, data in read[:-1]) == light.text_of(made)


@pytest.mark.parametrize("parameters", [LOTS, DRAWN])
def test_an_environment_dies_midway_and_the_next_goes_on_with_the_same_text(
    light: WritingLight, parameters: dict[str, Any]
) -> None:
    made = light.submit(**parameters)
    light.die(light.environment("lambda-1"), at=6)
    begun = light.read(made)
    assert len(begun) in (4, 5)
    light.world.registry.routes[MODEL] = Route("9")

    assert light.deliver(light.environment("lambda-2"), MODEL) == []

    light.world.registry.routes[MODEL] = Route("1")
    assert light.read(made)[: len(begun)] == begun
    seed = {"seed": seed_of(made)} if "do_sample" in parameters else {}
    assert_whole(light, made, light.whole(**parameters, **seed))
    assert light.world.row(made).attempts == 2


def test_a_text_that_is_cancelled_midway_is_not_written_on(light: WritingLight) -> None:
    def cancel(number: int) -> None:
        if number == 5:
            event = call("requests_cancel", f"/async/requests/{made}")
            answered(light.bench.requests.reply(event), 202)
            light.world.clock.pass_seconds(5)

    light.before, made = cancel, light.submit(**LOTS)
    assert light.deliver(light.environment(), MODEL) == []
    assert light.written[-1] < 8
    *_, end = light.read(made)
    assert (end[0], end[2]["status"]) == ("end", "cancelled")
    assert light.world.inbox.queues[MODEL] == []


def let_time_go(light: WritingLight, at: int) -> None:
    """Let so much time pass before a piece that the function has no more for another."""

    def pass_time(number: int) -> None:
        if number == at:
            light.world.clock.pass_seconds(SECONDS - END_SECONDS)

    light.before = pass_time


def test_a_function_whose_time_ends_leaves_the_text_to_the_next_one_uncharged(
    light: WritingLight,
) -> None:
    environment, made = light.environment(), light.submit(**DRAWN)
    let_time_go(light, at=5)
    assert light.deliver(environment, MODEL) == [made]
    assert [number for _, number, _ in light.read(made)] == [1, 2, 3, 4, 5], "all that is written"
    row = light.world.row(made)
    assert (row.status, row.attempts, light.world.inbox.visible(MODEL)) == ("queued", 0, [made])

    light.before = lambda number: None
    assert light.deliver(environment, MODEL) == []
    assert_whole(light, made, light.whole(**DRAWN, seed=seed_of(made)))
    assert light.world.row(made).attempts == 1


def test_a_text_that_no_attempt_brings_further_is_refused_with_what_to_do(
    light: WritingLight,
) -> None:
    environment, made = light.environment(), light.submit(**LOTS)
    for _ in range(2):
        let_time_go(light, at=5)
        light.deliver(environment, MODEL)
    row = light.world.row(made)
    assert (row.status, row.refused) == ("failed", True)
    assert "ask for fewer tokens, or run the model on a fleet" in (row.error or "")
    *tokens, (kind, number, _) = light.read(made)
    assert (len(tokens), kind, number) == (5, "end", 5), "what is written stays"
    assert light.world.inbox.queues[MODEL] == []


def test_a_text_that_does_not_begin_in_time_is_refused_too(light: WritingLight) -> None:
    def open_slowly(loaded: Loaded, held: Held) -> StreamedText:
        light.world.clock.pass_seconds(SECONDS - END_SECONDS)
        return light.open(loaded, held)

    environment, made = light.environment(), light.submit(**LOTS)
    environment.streams.open = open_slowly
    assert light.deliver(environment, MODEL) == []
    assert (light.world.row(made).status, light.written) == ("failed", [])


def test_what_comes_with_a_text_that_takes_all_the_time_is_left_to_the_next_function(
    light: WritingLight,
) -> None:
    environment, ids = light.environment(), [light.submit(**LOTS) for _ in range(2)]
    ids.append(light.submit("", **LOTS))
    for delivery in range(1, 3):
        let_time_go(light, at=5)
        light.written.clear()
        assert light.deliver(environment, MODEL) == ids
        assert light.written == [1, 2, 3, 4, 5], delivery
        rows = [light.world.row(one) for one in ids]
        assert [(row.status, row.attempts) for row in rows] == [("queued", 0)] * 3
    light.before = lambda number: None
    assert light.deliver(environment, MODEL) == []
    assert [light.world.row(one).status for one in ids] == ["succeeded"] * 3


def test_a_text_that_ends_as_the_time_does_is_an_answer(light: WritingLight) -> None:
    environment, made = light.environment(), light.submit(**LOTS)
    let_time_go(light, at=TOKENS)
    with ThreadPoolExecutor(1) as pool:
        environment.streams.pool = pool
        assert light.deliver(environment, MODEL) == []
    assert_whole(light, made, light.text_of(made))


def test_an_environment_writes_nothing_on_that_a_failure_of_its_own_has_left(
    light: WritingLight,
) -> None:
    environment, first = light.environment(), light.submit(**LOTS)
    light.die(environment, at=3)
    light.world.inbox.queues[MODEL].clear()
    second = light.submit(**LOTS)
    assert light.deliver(environment, MODEL) == []
    assert light.world.row(second).status == "succeeded"
    assert light.world.row(first).status == "running", "its lease has ended, and nobody else begun"
    assert not environment.streams


def test_streams_of_one_delivery_are_written_one_by_one(light: WritingLight) -> None:
    several = [light.submit(**LOTS) for _ in range(2)]
    assert light.deliver(light.environment(), MODEL) == []
    assert light.written == [*range(1, TOKENS + 1)] * 2
    assert [light.world.row(one).status for one in several] == ["succeeded"] * 2


@pytest.mark.parametrize("name", ["num_beams", "best_of"])
def test_what_is_known_only_at_the_end_is_refused_when_it_runs(
    light: WritingLight, name: str
) -> None:
    made = light.submit(**LOTS, **{name: 2}, do_sample=name == "best_of")
    assert light.deliver(light.environment(), MODEL) == []
    row = light.world.row(made)
    assert (row.status, row.refused) == ("failed", True)
    assert f"parameter '{name}': 2 given, 1 (of a stream) expected" in (row.error or "")


def test_what_comes_whole_is_refused_with_why(light: WritingLight) -> None:
    record = light.world.registry.records[MODEL, "1"]
    stream = call("submit", f"/async/models/{MODEL}/infer", asked(), query="stream=true")
    for changed, said in (
        (replace(record, runtime="pipeline"), "is a pipeline, whose answers to async requests"),
        (replace(record, runtime="python", bundle={}), "has no task: streams need the task"),
        (
            replace(record, bundle=record.bundle | {"compute": {"target": "fleet"}}),
            "needs a fleet, and none has it",
        ),
    ):
        light.world.registry.records[MODEL, "1"] = changed
        assert said in refusal(light.bench.submit.reply(stream), 400)
