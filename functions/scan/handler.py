"""Step of a batch job: one range of a CSV file, gone through for its cuts."""

from typing import Any

from serval.batch.job.layout import RangeItem
from serval.bootstrap.batch.scan import build

ready = build()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Lambda entry point."""
    return ready.scan(RangeItem.from_json(event["range"]))
