"""Events of rollouts and their published schema."""

import json
from pathlib import Path

import jsonschema_rs

from serval.models.state_events import REASON_LIMIT
from serval.rollouts.events import detail, json_schema
from serval.rollouts.steps.conclude import Conclude
from tests.fakes.rollouts import MODEL, RollingModel

DOCS = Path(__file__).parents[3] / "docs"


def test_the_published_schema_is_current():
    published = (DOCS / "rollout-event.schema.json").read_text()
    assert published == json.dumps(json_schema(), indent=2) + "\n", (
        "run `python -m serval.rollouts.events > docs/rollout-event.schema.json`"
    )


def test_every_state_of_rollouts_is_announced_as_the_schema_says():
    model = RollingModel()
    refused = model.control.note(model.claim(), step="verifying").rollout
    event = {"model": MODEL, "rollout": refused, "reasons": ["x" * 2 * REASON_LIMIT]}
    Conclude(model.control, model.registry).conclude(event)
    model.roll_out("a")
    first = model.roll_out("b").rollout
    second = model.roll_out("c").rollout
    model.pass_step(second)
    model.pass_step(second)
    details = [detail(rollout) for rollout in model.announced]
    for one in details:
        jsonschema_rs.validate(json_schema(), one)
    steps = [
        (one["status"], one["percent"], one["version"])
        for one in details
        if one["rollout"] == second
    ]
    assert steps[0] == ("running", 10, "3")
    assert ("running", 50, "3") in steps
    assert steps[-1] == ("promoted", 100, "3")
    assert [one["status"] for one in details if one["rollout"] == first][-1] == "superseded"
