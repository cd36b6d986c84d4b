"""Histories of executions that run durable pipelines: Step Functions ends one that is too long."""

import json
from pathlib import Path

import pytest

from serval.pipelines.run import MOST_ITEMS
from tests.fakes.durable import DurableExecution, DurableStage
from tests.fakes.pipelines import publish_pipeline
from tests.fakes.worker import row_of

HEAD = """
name: chain
durable: true
inputs: [{name: x, datatype: FP32, shape: [-1, 2]}]
steps:
"""
MOST_EVENTS = 25_000
"""Of a standard execution."""
EVENTS = {"Advance": 5, "After advance": 2, "Steps": 4, "Run": 5, "After run": 2, "Requests": 4}
EVENTS |= {"Await": 6, "Waited": 2, "Run to its end": 2, "Ended": 1}
"""Of each state: entered, scheduled, started, submitted, succeeded, exited."""
ITEM = 2
"""Events of an item of a map: begun, and ended."""


@pytest.fixture
def stage(tmp_path: Path) -> DurableStage:
    return DurableStage(tmp_path)


def count_events(execution: DurableExecution) -> int:
    visited = execution.visited
    items = visited.count("Run to its end") + visited.count("Waited")
    return 2 + sum(EVENTS[name] for name in visited) + ITEM * items


@pytest.mark.parametrize("reads", ["x", "s{before}.y"])
def test_fifty_steps_on_a_fleet_fit_an_executions_history(stage: DurableStage, reads: str) -> None:
    sources = ["x", *(reads.format(before=n) for n in range(49))]
    steps = [
        f"  - {{name: s{n}, model: textgen, input: {{x: {source}}}}}"
        for n, source in enumerate(sources)
    ]
    publish_pipeline(stage.world.registry, "\n".join([HEAD, *steps, "output: {y: s49.y}"]))
    stage.world.submit("r1", model="chain", payload=row_of(4.0))
    stage.deliver("chain")
    execution = DurableExecution(stage)
    execution.run(stage.executions.pop())
    assert stage.world.result("r1")[0] == (104.0 if reads == "x" else 5004.0)
    assert 1_000 < count_events(execution) < MOST_EVENTS // 10


MAP = (
    HEAD
    + """
  - {name: each, map: "[1..%d]", model: textgen, input: {x: "[[item, 0]]"}, limit: %d}
output: "$sum(each.y[0])"
"""
)


def run_map(stage: DurableStage, items: int, limit: int) -> DurableExecution:
    """Run a step on a fleet for each item of a list."""
    publish_pipeline(stage.world.registry, MAP % (items, limit))
    stage.world.submit("r1", model="chain", payload=row_of(4.0))
    stage.deliver("chain")
    execution = DurableExecution(stage)
    execution.run(stage.executions.pop())
    found = json.loads(stage.world.result("r1")[0])
    assert found == sum(200 + item for item in range(1, items + 1))
    return execution


@pytest.mark.parametrize("limit", [1, 10])
def test_items_of_a_list_ask_a_fleet_together_as_many_as_they_may(
    stage: DurableStage, limit: int
) -> None:
    execution = run_map(stage, 100, limit)
    runs = [event for event in stage.events if "step" in event]
    assert len(runs) == 100 // limit + 1
    assert 10 * count_events(execution) < MOST_EVENTS, "as many as there may be items"


@pytest.mark.slow
def test_as_many_items_as_there_may_be_fit_an_executions_history(stage: DurableStage) -> None:
    execution = run_map(stage, MOST_ITEMS, limit=40)
    assert execution.visited.count("Await") == MOST_ITEMS == 1_000
    assert MOST_ITEMS < count_events(execution) < MOST_EVENTS // 2
