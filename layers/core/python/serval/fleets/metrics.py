"""Metrics of fleets in CloudWatch's embedded format: three per fleet, while it is awake.

Each custom metric costs $0.30 a month, prorated to the hours with values.
"""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from serval.fleets.scale.observation import Observation
from serval.fleets.state import FleetState
from serval.models.metrics import NAMESPACE

DIMENSION = "Fleet"
METRICS = {"OldestAge": "Seconds", "Open": "Count", "Machines": "Count"}


def publish(state: FleetState, seen: Observation, write: Callable[[str], object]) -> None:
    """Print a fleet's metrics."""
    write(json.dumps(document(state, seen)))


def document(state: FleetState, seen: Observation) -> dict[str, Any]:
    """Build the metric document of an observation."""
    return {
        "_aws": {"Timestamp": milliseconds(seen.now), "CloudWatchMetrics": [directive()]},
        DIMENSION: state.fleet,
        "OldestAge": round(seen.oldest_age_seconds, 3),
        "Open": seen.open,
        "Machines": state.machines,
    }


def directive() -> dict[str, Any]:
    """Declare which members of a document are metrics."""
    metrics = [{"Name": name, "Unit": unit} for name, unit in METRICS.items()]
    return {"Namespace": NAMESPACE, "Dimensions": [[DIMENSION]], "Metrics": metrics}


def milliseconds(moment: datetime) -> int:
    """Convert a time to CloudWatch's milliseconds."""
    return int(moment.timestamp() * 1000)
