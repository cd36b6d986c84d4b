"""Read metrics in the embedded metric format (EMF) from the lines that functions print."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from serval_cli.local.launcher.emulator import Emulator

NAMES = (
    "cloudwatch/_evaluate_all_alarms",
    "cloudwatch/_store_datum",
    "lambda_svc/_emit_lambda_logs",
)
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Datum:
    """Values of one metric under one set of dimensions."""

    namespace: str
    name: str
    dimensions: dict[str, str]
    time: float
    """Seconds since the epoch."""
    unit: str
    values: list[float]
    counts: list[float]


def apply(emulator: Emulator) -> None:
    """Store the metrics of each invocation's log, after the log itself."""
    cloudwatch, emit_logs = emulator.cloudwatch, emulator.lambda_svc._emit_lambda_logs

    def emit(func: Any, request_id: str, text: str, *args: Any, **options: Any) -> None:
        emit_logs(func, request_id, text, *args, **options)
        store_metrics(cloudwatch, text or "")

    emulator.lambda_svc._emit_lambda_logs = emit


def store_metrics(cloudwatch: Any, log: str) -> None:
    """Store the metrics in a log, and evaluate alarms."""
    found = list(read_metrics(log))
    for one in found:
        cloudwatch._store_datum(
            one.namespace,
            one.name,
            one.dimensions,
            one.time,
            one.unit,
            None,
            one.values,
            one.counts,
            None,
        )
    if found:
        cloudwatch._evaluate_all_alarms()


def read_metrics(log: str) -> Iterator[Datum]:
    """Yield the metrics in a log, logging and skipping malformed lines as AWS does."""
    for line in log.splitlines():
        if '"_aws"' not in line:
            continue
        try:
            yield from read_document(json.loads(line[line.index("{") :]))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            logger.warning("no metrics in %r: %r", line, error)


def read_document(document: dict[str, Any]) -> list[Datum]:
    """Read the metrics of one document."""
    return [
        Datum(
            namespace=directive["Namespace"],
            name=metric["Name"],
            dimensions={name: str(document[name]) for name in names},
            time=document["_aws"]["Timestamp"] / 1000,
            unit=metric.get("Unit", "None"),
            **read_values(document[metric["Name"]]),
        )
        for directive in document["_aws"]["CloudWatchMetrics"]
        for names in directive.get("Dimensions") or [[]]
        for metric in directive["Metrics"]
        if metric["Name"] in document
    ]


def read_values(value: Any) -> dict[str, list[float]]:
    """Read a metric's values and counts: one number, a list, or values with counts."""
    if isinstance(value, dict):
        return {
            "values": [float(one) for one in value["Values"]],
            "counts": [float(one) for one in value["Counts"]],
        }
    values = [float(one) for one in (value if isinstance(value, list) else [value])]
    return {"values": values, "counts": [1.0] * len(values)}
