"""Every way that an upload can be bad ends in a refusal that a data scientist can act on.

The stable version goes on serving, and nothing half-registered stays behind.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from serval.foreign import ObjectCreated
from serval.models.deployed_fleets import DeployedFleet, Fleets
from serval.models.route import Route
from tests.fakes.bad_artifacts import ANSWERS, ARTIFACTS
from tests.fakes.bad_fleet_uploads import ON_FLEETS
from tests.fakes.bad_manifests import CONFIGURATIONS, FILES, MANIFESTS
from tests.fakes.bad_uploads import (
    GOOD,
    Bad,
)
from tests.fakes.registration import scaling_bundle
from tests.fakes.served import served
from tests.fakes.stage import BUCKET, Stage

GRAPH = GOOD["model.onnx"]
FLEETS = Fleets(
    {
        "cpu": DeployedFleet(name="cpu", models=("plain",)),
        "tesla": DeployedFleet(name="tesla", accelerator="nvidia", models=("textgen",)),
        "inf": DeployedFleet(name="inf", accelerator="neuron", models=("compiled", "served")),
        "managed": DeployedFleet(name="managed", kind="sagemaker", models=("vision",)),
    }
)
"""What the stage has; there is no fleet 'gpu'."""
served_on = partial(served, fleet="inf")
TABLE = MANIFESTS | FILES | CONFIGURATIONS | ARTIFACTS | ANSWERS | ON_FLEETS


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Give a stage whose functions are small."""
    return Stage(tmp_path, {"*": 202, "own": 202}, fleets=FLEETS)


def left_behind(stage: Stage) -> Any:
    """Give everything that an upload could change, its own record apart."""
    registry = stage.registry
    return (
        stage.published(),
        dict(registry.records),
        dict(registry.digests),
        dict(registry.routes),
        set(registry.listed),
    )


@pytest.mark.parametrize("bad", TABLE.values(), ids=TABLE)
def test_a_bad_upload_is_refused_in_words_and_changes_nothing(
    bad: Bad, stage: Stage, tmp_path: Path
):
    first = stage.upload("scaling", "u1", scaling_bundle())
    assert stage.roll_out(first).status == "promoted"
    before = left_behind(stage)
    stage.verify = replace(stage.verify, memory_mib=bad.verify_mib)
    stage.failing = dict(bad.failing)

    outcome = stage.roll_out(bad.upload(stage), "another")

    assert outcome.status == "refused"
    if isinstance(bad.says, str):
        assert outcome.reason == bad.says
    else:
        assert bad.says.fullmatch(outcome.reason), outcome.reason
    assert left_behind(stage) == before
    assert stage.registry.routes["scaling"] == Route("1", rollout="u1", revision=1)
    record = stage.registry.rollout_records[bad.model, stage.announced[-1].rollout]
    assert (record.status, record.reason, record.version) == ("refused", outcome.reason, None)
    assert list(tmp_path.iterdir()) == []


def test_a_bare_graph_is_nothing_for_a_server(stage: Stage):
    assert stage.roll_out(stage.upload("served", "u1", served_on())).status == "promoted"

    outcome = stage.roll_out(stage.upload_bare("served", GRAPH), "another")

    assert (outcome.status, outcome.reason) == (
        "refused",
        "version 1 of model 'served' is not run by ONNX Runtime, and takes no bare "
        "model.onnx: publish the whole bundle with `serval push BUNDLE`",
    )
    assert stage.registry.routes["served"].stable == "1"


def test_what_is_refused_first_can_be_mended_and_pushed_again(stage: Stage):
    assert stage.roll_out(FILES["wrong sha256"].upload(stage)).status == "refused"

    assert stage.roll_out(stage.upload("scaling", "u3", GOOD), "again").status == "promoted"


@pytest.mark.parametrize(
    "key",
    [
        "incoming/Iris/u2/manifest.json",
        "incoming/iris models/u2/manifest.json",
        "incoming/stats/u2/manifest.json",
        "incoming/iris/u2/deeper/manifest.json",
        "incoming/iris/u2/model.onnx",
        "incoming/Iris/model.onnx",
    ],
)
def test_a_key_that_names_no_model_is_ignored_and_says_what_was_expected(stage: Stage, key: str):
    outcome = stage.roll_out(ObjectCreated(BUCKET, key, "v1"))

    assert outcome.status == "ignored"
    assert outcome.reason == (
        f"{key!r} announces no upload: incoming/<model>/<upload>/manifest.json or "
        "incoming/<model>/model.onnx expected, where <model> is 1 to 63 lower-case letters, "
        "digits, '-' or '_', the first a letter or digit, and not 'stats'"
    )
    assert stage.crashes.calls == []
