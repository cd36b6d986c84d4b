"""Messages about shards, as the state machine sends them to fleets: told apart without a reader."""

import json
from collections.abc import Mapping
from typing import Any


def about_a_shard(body: Mapping[str, Any]) -> bool:
    """Tell whether a message is about a shard: ``{"shard": …, "task_token": …}``."""
    return "shard" in body and "task_token" in body


def shard_of_message(text: str) -> Mapping[str, Any] | None:
    """Read a message about a shard; None if it is another one."""
    try:
        body: Any = json.loads(text)
    except ValueError:
        return None
    return body if isinstance(body, dict) and about_a_shard(body) else None
