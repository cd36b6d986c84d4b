"""Step of a batch job: what started it, and whether it can be."""

import json
from typing import Any

from serval.bootstrap.batch.accept import build

ready = build()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Lambda entry point."""
    outcome = ready.accept(event["input"], owner=event["owner"])
    print(json.dumps({"event": event, "outcome": outcome}), flush=True)
    return outcome
