"""Messages about shards, as the state machine sends them to fleets."""

import json
from collections.abc import Mapping
from typing import Any

MEMBERS = {"shard": dict, "model": str, "task_token": str}


def shard_of_message(text: str) -> Mapping[str, Any] | None:
    """Read a message: ``{"shard": …, "model": …, "task_token": …}``; None if it is none."""
    try:
        body: Any = json.loads(text)
    except ValueError:
        return None
    if not isinstance(body, dict):
        return None
    known = all(isinstance(body.get(name), kind) for name, kind in MEMBERS.items())
    return body if known else None
