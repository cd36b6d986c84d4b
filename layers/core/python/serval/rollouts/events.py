"""Events of rollouts: one for each recorded state.

``python -m serval.rollouts.events`` prints the JSON Schema, docs/rollout-event.schema.json.
"""

import json
from typing import Any, get_args

from serval.models.registry import Rollout
from serval.models.rollout_words import RolloutStatus, RolloutStep
from serval.models.state_events import OPTIONAL_TEXT, REASON_LIMIT, detail_schema

DETAIL_TYPE = "serval.rollout"

PROPERTIES: dict[str, dict[str, Any]] = {
    "model": {"type": "string", "description": "What clients call."},
    "rollout": {
        "type": "string",
        "description": "Id of the rollout; the upload's own where it has one.",
    },
    "status": {
        "enum": list(get_args(RolloutStatus)),
        "description": "Verdict, or 'running' before there is one.",
    },
    "step": {
        "enum": list(get_args(RolloutStep)),
        "description": "The step that the rollout is at.",
    },
    "version": {
        **OPTIONAL_TEXT,
        "description": "The version that is rolled out; null before it is registered.",
    },
    "baseline": {
        **OPTIONAL_TEXT,
        "description": "The stable version that it is measured against, and goes back to.",
    },
    "percent": {
        "type": "integer",
        "minimum": 0,
        "maximum": 100,
        "description": "Share of the traffic that the version has been given.",
    },
    "reason": {
        "type": "string",
        "maxLength": REASON_LIMIT,
        "description": "Why it ended, or what it waits for, in words.",
    },
    "updated": {
        "type": "string",
        "format": "date-time",
        "description": "When this was recorded; later states of a rollout have later times.",
    },
}


def detail(rollout: Rollout) -> dict[str, Any]:
    """Return the ``detail`` of the event."""
    values = {name: getattr(rollout, name) for name in PROPERTIES}
    return {**values, "reason": rollout.reason[:REASON_LIMIT]}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of ``detail``."""
    return detail_schema(DETAIL_TYPE, PROPERTIES)


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=2))
