"""Step of a batch job: one shard, or as much of it as there is time for."""

from typing import Any

from serval.batch.job.layout import ShardItem
from serval.bootstrap.batch.shard import build

ready = build()


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Lambda entry point."""
    item, resume = ShardItem.from_json(event["shard"]), event.get("went", {}).get("resume")
    return ready.run(item, resume, lambda: context.get_remaining_time_in_millis() / 1e3)
