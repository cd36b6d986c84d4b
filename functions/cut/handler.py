"""Step of a batch job: from what the scans found to shards."""

import json
from typing import Any

from serval.bootstrap.batch.cut import build

ready = build()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Lambda entry point."""
    outcome = ready.cut(event["job"])
    print(json.dumps(outcome), flush=True)
    return outcome
