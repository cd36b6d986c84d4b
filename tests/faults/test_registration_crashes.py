"""A crash at any call of ``register``, then its retry: the end is always the same."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serval.object_created import ObjectCreated
from tests.fakes.registration import Crash, Stage, scaling_bundle

Prepare = Callable[[Stage], ObjectCreated]


def first_version(stage: Stage) -> ObjectCreated:
    return stage.upload("scaling", "u1", scaling_bundle())


def second_version(stage: Stage) -> ObjectCreated:
    stage.registration.register(first_version(stage), "earlier")
    return stage.upload("scaling", "u2", scaling_bundle(factor=3))


def bare_artifact(stage: Stage) -> ObjectCreated:
    stage.registration.register(first_version(stage), "earlier")
    return stage.upload_bare("scaling", scaling_bundle(factor=3)["model.onnx"])


def refused(stage: Stage) -> ObjectCreated:
    stage.registration.register(first_version(stage), "earlier")
    return stage.upload("scaling", "u2", {"model.onnx": b"no model"})


def state(stage: Stage) -> Any:
    """Give everything that outlives a process, times apart."""
    registry = stage.registry
    return (
        stage.published(),
        registry.digests,
        {key: replace(record, created="") for key, record in registry.records.items()},
        registry.routes,
        registry.listed,
        {
            key: replace(rollout, created="", updated="")
            for key, rollout in registry.rollout_records.items()
        },
        stage.claims.finished,
    )


def uninterrupted(prepare: Prepare, folder: Path) -> tuple[Any, int]:
    stage = Stage(folder)
    event = prepare(stage)
    stage.crashes.calls.clear()
    stage.registration.register(event, "me")
    return state(stage), len(stage.crashes.calls)


def crash(stage: Stage, event: ObjectCreated, at: int, after: bool) -> None:
    stage.crashes.calls.clear()
    stage.crashes.at, stage.crashes.after = at, after
    with pytest.raises(Crash):
        stage.registration.register(event, "me")
    stage.crashes.at = None


@pytest.mark.parametrize("prepare", [first_version, second_version, bare_artifact, refused])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_retry_ends_where_an_uninterrupted_run_does(
    prepare: Prepare, after: bool, tmp_path: Path
):
    expected, calls = uninterrupted(prepare, tmp_path)
    assert calls >= 7
    for at in range(calls):
        stage = Stage(tmp_path)
        event = prepare(stage)
        crash(stage, event, at, after)
        stage.registration.register(event, "me")
        assert state(stage) == expected, f"crash at call {at}: {stage.crashes.calls[at]}"


def test_a_crash_leaves_the_route_on_a_whole_version(tmp_path: Path):
    _, calls = uninterrupted(second_version, tmp_path)
    for at in range(calls):
        stage = Stage(tmp_path)
        crash(stage, second_version(stage), at, after=True)
        stable = stage.registry.version("scaling", stage.registry.routes["scaling"].stable)
        for file in stable.files:
            assert f"models/scaling/{stable.version}/{file.path}" in stage.published()


def test_another_owner_waits_for_the_lease_of_a_dead_one(tmp_path: Path):
    stage = Stage(tmp_path)
    event = first_version(stage)
    crash(stage, event, at=6, after=False)

    assert stage.registration.register(event, "other").status == "ignored"


def test_the_third_attempt_gives_up_in_words(tmp_path: Path):
    stage = Stage(tmp_path)
    event = first_version(stage)
    for _ in range(2):
        crash(stage, event, at=4, after=True)

    outcome = stage.registration.register(event, "me")

    assert outcome.status == "refused"
    assert "stopped 2 times without a verdict" in outcome.reason
    assert stage.registry.routes == {}
