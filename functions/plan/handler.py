"""Step of a batch job: from its input to shards, or to ranges that are scanned first."""

import json
from typing import Any

from serval.bootstrap.batch.plan import build

ready = build()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Lambda entry point."""
    outcome = ready.plan(event["job"])
    print(json.dumps(outcome), flush=True)
    return outcome
