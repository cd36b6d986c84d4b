"""Step of a batch job: one output in the order of the input, and a summary."""

import json
from typing import Any

from serval.bootstrap.batch.assemble import build

ready = build()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Lambda entry point."""
    outcome = ready.assemble(event["job"])
    print(json.dumps(outcome), flush=True)
    return outcome
