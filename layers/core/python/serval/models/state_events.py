"""What events about the states of batch jobs and rollouts have in common."""

from collections.abc import Mapping
from typing import Any

SOURCE = "serval"
REASON_LIMIT = 4000
"""Characters. An event has at most 256 KB; the record of the state keeps the whole reason."""
OPTIONAL_TEXT = {"type": ["string", "null"]}


def detail_schema(detail_type: str, properties: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the JSON Schema of an event's ``detail``, which has all of the properties."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"detail of EventBridge events '{detail_type}' from source '{SOURCE}'",
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
