"""Durable pipelines while functions and workers die at random: each answers, each step once."""

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.durable import Died, DurableStage
from tests.fakes.pipelines import publish_pipeline
from tests.fakes.worker import row_of
from tests.stateful.extent import TIMES

PIPELINE = """
name: chain
durable: true
inputs: [{name: x, datatype: FP32, shape: [-1, 2]}]
steps:
  - {name: first, model: one}
  - {name: heavy, model: textgen, input: {x: first.y}}
  - {name: other, model: resnet, input: {x: x}}
  - {name: last, rule: '$sum(heavy.y[0]) + $sum(other.y[0])'}
output: last
"""
REQUESTS, AT_ONCE = 50 * TIMES, 10
DEATHS = 0.04
"""The chance of dying before any write, message or reply."""
LOST_SECONDS = 3 * 3600
"""After which a request whose execution was lost is begun again."""


def strike(stage: DurableStage, dice: random.Random) -> Counter[str]:
    """Have whoever is about to write die now and then; count where."""
    deaths = Counter[str]()

    def before(what: str) -> None:
        if dice.random() < DEATHS:
            deaths[what] += 1
            raise Died(what)

    world = stage.world
    for port, names in (
        (world.payloads, ("put",)),
        (world.store, ("create", "save")),
        (world.inbox, ("send",)),
        (stage.records, ("write",)),
    ):
        for name in names:
            kept = getattr(port, name)

            def write(*given: Any, kept: Any = kept, name: str = name, **more: Any) -> Any:
                before(name)
                return kept(*given, **more)

            setattr(port, name, write)
    stage.before = before
    return deaths


def go_on(stage: DurableStage) -> None:
    """Do what is due, whoever dies of it; what was lost comes again by the sweep."""
    try:
        stage.finish("chain")
    except Died:
        stage.executions.clear()
    stage.world.clock.pass_seconds(LOST_SECONDS)
    for row in [one for one in stage.world.store.rows.values() if one.open]:
        try:
            stage.world.inbox.send(row.model, row.id)
        except Died:
            continue


@pytest.mark.parametrize("seed", range(REQUESTS // AT_ONCE))
def test_every_request_is_answered_and_every_step_counts_once(tmp_path: Path, seed: int) -> None:
    dice, stage = random.Random(seed), DurableStage(tmp_path)
    publish_pipeline(stage.world.registry, PIPELINE)
    wanted = {}
    for number in range(AT_ONCE):
        # A lost execution costs an attempt, of which a request has three unless its bundle says so.
        members = {"payload": row_of(float(number + 1)), "max_attempts": 50}
        stage.world.submit(f"r{number}", model="chain", **members)
        wanted[f"r{number}"] = 2 * (number + 1) + 188
    deaths = strike(stage, dice)
    for _ in range(200):
        if not any(row.open for row in stage.world.store.rows.values()):
            break
        go_on(stage)
    assert deaths.total() > 10
    found = {name: float(json.loads(stage.world.result(name)[0])) for name in wanted}
    assert found == wanted
    done = Counter((r, s) for r, s, status in stage.records.writes if status == "succeeded")
    assert len(done) == 4 * AT_ONCE
    assert set(done.values()) == {1}
    asked = Counter(row.model for row in stage.world.store.rows.values())
    assert asked == {"chain": AT_ONCE, "textgen": AT_ONCE, "resnet": AT_ONCE}
