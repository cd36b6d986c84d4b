"""Rollouts when something is repeated, races or dies: the outcomes that docs/rollouts.md promises.

A step may die at any call of a port, before its effect or right after; the state machine then
calls it again, or concludes.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from serval.foreign import ObjectCreated
from serval.models.route import Route
from serval.rollouts.steps.conclude import DOING
from tests.fakes.executions import TRIES, Execution, Outcome, StepFailed
from tests.fakes.registration import scaling_bundle
from tests.fakes.stage import Stage

Prepare = Callable[[Stage], ObjectCreated]
GOOD = scaling_bundle(factor=3)


def first_version(stage: Stage) -> ObjectCreated:
    return stage.upload("scaling", "u1", scaling_bundle())


def second_version(stage: Stage) -> ObjectCreated:
    stage.roll_out(first_version(stage), "first")
    return stage.upload("scaling", "u2", GOOD)


def bare_artifact(stage: Stage) -> ObjectCreated:
    stage.roll_out(first_version(stage), "first")
    return stage.upload_bare("scaling", GOOD["model.onnx"])


def same_bytes(stage: Stage) -> ObjectCreated:
    stage.roll_out(first_version(stage), "first")
    return stage.upload("scaling", "u2", scaling_bundle())


def over_a_canary(stage: Stage) -> ObjectCreated:
    stage.roll_out(second_version(stage), "second")
    return stage.upload("scaling", "u3", scaling_bundle(factor=5))


def refused_by_claim(stage: Stage) -> ObjectCreated:
    stage.roll_out(first_version(stage), "first")
    return stage.upload("scaling", "u2", GOOD, b"no manifest")


def refused_by_verify(stage: Stage) -> ObjectCreated:
    stage.roll_out(first_version(stage), "first")
    return stage.upload("scaling", "u2", {"model.onnx": b"no model"})


EVERY = [
    first_version,
    second_version,
    bare_artifact,
    same_bytes,
    over_a_canary,
    refused_by_claim,
    refused_by_verify,
]


def look_around(stage: Stage) -> None:
    """Let the canary loops that lost the route go round once more, as they do."""
    for (model, rollout), record in list(stage.registry.rollout_records.items()):
        if not record.ended and stage.registry.routes[model].rollout != rollout:
            assert stage.evaluate(model, rollout) == "superseded"


def state(stage: Stage) -> Any:
    """Give everything that outlives a process, times apart."""
    look_around(stage)
    registry = stage.registry
    timeless = {"created": "", "updated": "", "percent_since": ""}
    return (
        stage.published(),
        registry.digests,
        {key: replace(record, created="") for key, record in registry.records.items()},
        registry.routes,
        registry.listed,
        {key: replace(rollout, **timeless) for key, rollout in registry.rollout_records.items()},
        {claim: owner for claim, (owner, _) in stage.claims.held.items()},
    )


def uninterrupted(prepare: Prepare, folder: Path) -> tuple[Stage, list[tuple[str, str]]]:
    """Run to the end; gives each call of a port with the step that made it."""
    stage = Stage(folder)
    event = prepare(stage)
    stage.crashes.calls.clear()
    execution = Execution(stage, event, "me")
    execution.run()
    begun = [*execution.began, ("", len(stage.crashes.calls))]
    calls = [
        (step, call)
        for (step, first), (_, end) in pairwise(begun)
        for call in stage.crashes.calls[first:end]
    ]
    assert len(calls) == len(stage.crashes.calls)
    return stage, calls


def crashed(prepare: Prepare, folder: Path, at: int, after: bool) -> tuple[Stage, Outcome]:
    """Let a step die at one call, and the state machine go on from there."""
    stage = Stage(folder)
    event = prepare(stage)
    stage.crashes.calls.clear()
    stage.crashes.at, stage.crashes.after = at, after
    return stage, stage.roll_out(event, "me")


def every_crash(
    prepare: Prepare, folder: Path, after: bool, *, retried: bool
) -> Iterator[tuple[str, str, Stage, Outcome]]:
    """Crash at each call of the steps that are called again, or of those that are not."""
    _, calls = uninterrupted(prepare, folder)
    for at, (step, call) in enumerate(calls):
        if (step in TRIES) == retried:
            yield step, call, *crashed(prepare, folder, at, after)


@pytest.mark.parametrize("prepare", EVERY)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_step_that_died_ends_where_an_uninterrupted_run_does(
    prepare: Prepare, after: bool, tmp_path: Path
):
    expected = state(uninterrupted(prepare, tmp_path)[0])
    seen = set()
    for step, call, stage, _ in every_crash(prepare, tmp_path, after, retried=True):
        assert state(stage) == expected, f"{step} crashed at {call}"
        seen.add(step)
    assert seen >= {"claim", "conclude" if "refused" in prepare.__name__ else "register"}


@pytest.mark.parametrize("prepare", [first_version, second_version, bare_artifact])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_step_that_dies_of_the_model_is_not_tried_again(
    prepare: Prepare, after: bool, tmp_path: Path
):
    before = Stage(tmp_path)
    prepare(before)
    seen = set()
    for step, _, stage, outcome in every_crash(prepare, tmp_path, after, retried=False):
        assert outcome.status == "refused"
        doing = {"verify": "verifying", "golden": "checking golden"}[step]
        assert outcome.reason.startswith(f"{DOING[doing]} failed: it crashed")
        assert stage.registry.routes == before.registry.routes
        assert stage.published() == before.published()
        seen.add(step)
    assert seen == {"verify", "golden"}


def test_a_crash_leaves_the_route_on_a_whole_version(tmp_path: Path):
    for _, call, stage, _ in every_crash(second_version, tmp_path, True, retried=True):
        route = stage.registry.routes["scaling"]
        for number in filter(None, (route.stable, route.candidate)):
            for file in stage.registry.version("scaling", number).files:
                assert f"models/scaling/{number}/{file.path}" in stage.published(), call


class Dying:
    """``register`` whose process dies whenever it calls a port."""

    def __init__(self, stage: Stage, port: str) -> None:
        self.stage, self.step, self.port = stage, stage.register, port

    def register(self, *given: Any) -> Any:
        self.stage.crashes.whenever = self.port
        try:
            return self.step.register(*given)
        finally:
            self.stage.crashes.whenever = None


@pytest.mark.parametrize("port", ["reserve", "publish", "record", "set_route", "record_rollout"])
def test_register_that_keeps_dying_leaves_the_stable_version_alone(port: str, tmp_path: Path):
    stage = Stage(tmp_path)
    event = second_version(stage)
    healthy = stage.register
    stage.register = Dying(stage, port)  # type: ignore[assignment]

    outcome = stage.roll_out(event, "me")

    assert outcome.status == "refused"
    assert "failed: it crashed" in outcome.reason
    assert stage.registry.routes["scaling"] == Route("1", rollout="u1", revision=1)
    stage.register = healthy
    again = stage.roll_out(stage.upload("scaling", "u3", GOOD), "again")
    assert again == Outcome("running", "", "2")
    assert stage.published() == {
        f"models/scaling/{version}/{path}": body
        for version, files in {"1": scaling_bundle(), "2": GOOD}.items()
        for path, body in files.items()
    }


def test_conclude_that_keeps_dying_is_tried_eight_times(tmp_path: Path):
    stage = Stage(tmp_path)
    event = refused_by_verify(stage)
    stage.failing = {"conclude": StepFailed("Lambda.Unknown", "{}")}
    execution = Execution(stage, event, "me")

    with pytest.raises(StepFailed):
        execution.run()

    assert stage.registry.routes["scaling"].stable == "1"
    assert stage.registry.rollout_records["scaling", "u2"].status == "running"


def test_claim_that_keeps_dying_refuses_the_rollout_that_it_began(tmp_path: Path):
    stage = Stage(tmp_path)
    event = second_version(stage)
    stage.crashes.whenever = "read"

    assert stage.roll_out(event, "me").status == "refused"

    stage.crashes.whenever = None
    left = stage.registry.rollout_records["scaling", "u2"]
    assert (left.status, left.step) == ("refused", "ended")
    assert stage.registry.routes["scaling"].stable == "1"
    assert stage.roll_out(stage.upload("scaling", "u3", GOOD), "again").version == "2"
