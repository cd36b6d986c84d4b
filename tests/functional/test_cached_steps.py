"""Answers that are kept, in durable pipelines: a fleet is not asked for what is known."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serval.durable.step_answers import is_of_chance
from serval.errors import InvalidTensor
from serval.inference.kept_answers import KeptAnswers
from serval.models.route import Route
from serval.models.signature import Signature
from serval.models.tensor import Tensor
from serval.protocol.binary_tensors import bytes_array
from tests.fakes.answers import InMemoryAnswers
from tests.fakes.durable import DurableStage
from tests.fakes.inference import version_record
from tests.fakes.pipelines import publish_pipeline
from tests.fakes.worker import row_of

HEAD = """
name: chain
durable: true
inputs: [{name: x, datatype: FP32, shape: [-1, 2]}]
steps:
"""
CHAIN = (
    HEAD
    + """
  - {name: first, model: one, cache: {ttl_seconds: 600}}
  - {name: heavy, model: textgen, input: {x: first.y}, cache: {ttl_seconds: 600}}
  - {name: last, model: ten, input: {x: heavy.y}}
output: {y: last.y}
"""
)
MAP = (
    HEAD
    + """
  - {name: each, map: "[1..20]", model: textgen, input: {x: "[[item, 0]]"},
     cache: {ttl_seconds: 600}}
output: "$sum(each.y[0])"
"""
)
CASCADE = (
    HEAD
    + """
  - name: best
    cascade: [{model: one}, {model: textgen}]
    until: $answer.y[0][0] > 100
    cache: {ttl_seconds: 600}
output: best
"""
)


@pytest.fixture
def stage(tmp_path: Path) -> DurableStage:
    return DurableStage(tmp_path)


@pytest.fixture
def cache(stage: DurableStage) -> InMemoryAnswers:
    clock = lambda: stage.world.clock.seconds  # noqa: E731
    answers = InMemoryAnswers(clock)
    stage.answers = KeptAnswers(answers, stage.world.log.append, lambda model: None, clock)
    return answers


def ask(stage: DurableStage, request_id: str, text: str = CHAIN, value: float = 4.0) -> Any:
    publish_pipeline(stage.world.registry, text)
    stage.world.submit(request_id, model="chain", payload=row_of(value))
    stage.finish("chain")
    return stage.world.result(request_id)


def asked(stage: DurableStage) -> int:
    """Count the requests to the model on the fleet."""
    return sum(row.model == "textgen" for row in stage.world.store.rows.values())


def outcomes(stage: DurableStage, request_id: str) -> dict[str, str]:
    steps = stage.documents.describe(stage.world.row(request_id)).members["steps"]
    return {name: outcome for step in steps for name, outcome in step.get("cache", {}).items()}


def test_a_fleet_is_not_asked_for_what_it_has_answered(
    stage: DurableStage, cache: InMemoryAnswers
) -> None:
    assert ask(stage, "r1") == [115.0, 111.0]
    assert outcomes(stage, "r1") == {"first": "miss", "heavy": "miss"}
    assert ask(stage, "r2") == [115.0, 111.0]
    assert outcomes(stage, "r2") == {"first": "hit", "heavy": "hit"}
    assert asked(stage) == 1
    assert ask(stage, "r3", value=5.0) == [116.0, 111.0]
    assert asked(stage) == 2


def test_without_a_cache_every_step_is_run(stage: DurableStage) -> None:
    ask(stage, "r1"), ask(stage, "r2")
    assert asked(stage) == 2
    assert outcomes(stage, "r2") == {}


def test_items_whose_answers_come_to_be_known_meanwhile_change_no_others(
    stage: DurableStage, cache: InMemoryAnswers
) -> None:
    expected = ask(stage, "r1", MAP)
    assert json.loads(expected[0]) == sum(200 + item for item in range(1, 21))
    known = dict(cache.bodies)
    assert len(known) == 20
    cache.bodies.clear()
    stage.stall = lambda: cache.bodies.update(list(known.items())[:5])
    assert ask(stage, "r2", MAP) == expected
    cache.bodies = dict(list(known.items())[::2])
    assert ask(stage, "r3", MAP) == expected
    assert asked(stage) == 20 + 20 + 10


def test_an_answer_is_kept_for_the_version_that_gave_it(
    stage: DurableStage, cache: InMemoryAnswers
) -> None:
    stage.world.registry.add("textgen", "2", 200.0)
    record = stage.world.registry.records["textgen", "1"]
    stage.world.registry.records["textgen", "2"] = replace(record, version="2")
    stage.world.registry.routes["textgen"] = Route("1", "2", 100, "r")
    assert ask(stage, "r1") == [215.0, 211.0]
    kept_for = {key.rpartition("/")[0] for key in cache.bodies}
    assert kept_for == {"one/1", "textgen/2"}
    stage.world.registry.routes["textgen"] = Route("1")
    assert ask(stage, "r2") == [115.0, 111.0]


def test_what_a_step_kept_itself_before_it_waited_is_no_hit(
    stage: DurableStage, cache: InMemoryAnswers
) -> None:
    assert ask(stage, "r1", CASCADE) == [104.0, 100.0]
    assert outcomes(stage, "r1") == {"best__1": "miss", "best__2": "miss"}
    ask(stage, "r2", CASCADE)
    assert outcomes(stage, "r2") == {"best__1": "hit", "best__2": "hit"}
    tracks = [one["Track"] for one in stage.world.metrics() if one["Model"] == "chain"]
    assert tracks == ["stable", "cached"]


def test_a_cache_that_fails_fails_no_request(stage: DurableStage, cache: InMemoryAnswers) -> None:
    cache.fails = True
    assert ask(stage, "r1") == [115.0, 111.0]
    stage.world.clock.pass_seconds(30)
    assert ask(stage, "r2") == [115.0, 111.0]
    assert asked(stage) == 2


@pytest.mark.parametrize(
    ("said", "problem"),
    [(b"{", "element 0 is not JSON"), (b"[1]", "element 0: .* given, an object expected")],
)
def test_parameters_that_are_no_object_are_refused_before_anything_is_looked_up(
    said: bytes, problem: str
) -> None:
    made = version_record("reader", "1", b"", Signature((), ()))
    record = replace(made, bundle={"task": {"name": "summarization"}})
    parameters = Tensor("parameters", "BYTES", bytes_array([said], [1]))

    with pytest.raises(InvalidTensor, match=f"'parameters'.*{problem}"):
        is_of_chance(record, [parameters])
