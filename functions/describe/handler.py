"""Metadata, readiness, statistics, health, the index, and 404 for what nobody serves."""

from collections.abc import Mapping
from typing import Any

from serval.bootstrap.realtime.describe import build

ready = build()


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Lambda entry point."""
    return ready.reply(event)
