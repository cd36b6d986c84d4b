"""Metrics of fleets, printed as CloudWatch's embedded format: three per fleet, while it is awake.

Each custom metric costs $0.30 a month, for the hours in which it has values.
"""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from serval.fleets.scale.observation import Observed
from serval.fleets.state import FleetState
from serval.models.metrics import NAMESPACE

DIMENSION = "Fleet"
METRICS = {"OldestAge": "Seconds", "Open": "Count", "Machines": "Count"}


def publish(state: FleetState, seen: Observed, write: Callable[[str], object]) -> None:
    """Print a fleet's metrics."""
    write(json.dumps(document(state, seen)))


def document(state: FleetState, seen: Observed) -> dict[str, Any]:
    """Give the embedded metric document of one look at a fleet."""
    return {
        "_aws": {"Timestamp": milliseconds(seen.now), "CloudWatchMetrics": [directive()]},
        DIMENSION: state.fleet,
        "OldestAge": round(seen.oldest_age_seconds, 3),
        "Open": seen.open,
        "Machines": state.machines,
    }


def directive() -> dict[str, Any]:
    """Tell CloudWatch which members of a document are metrics."""
    metrics = [{"Name": name, "Unit": unit} for name, unit in METRICS.items()]
    return {"Namespace": NAMESPACE, "Dimensions": [[DIMENSION]], "Metrics": metrics}


def milliseconds(moment: datetime) -> int:
    """Give a time as CloudWatch has it."""
    return int(moment.timestamp() * 1000)
