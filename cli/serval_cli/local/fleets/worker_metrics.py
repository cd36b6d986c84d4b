"""Send the metrics in workers' logs to CloudWatch, as AWS extracts them from log groups."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from serval_cli.local.launcher.patches.functions.embedded_metrics import Datum, read_metrics

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import MetricDatumTypeDef

VALUES = 150
"""Most values of one datum in a call."""


@dataclass(slots=True)
class Tail:
    """The lines added to a file from now on."""

    path: Path
    position: int = field(init=False)

    def __post_init__(self) -> None:
        self.position = self.path.stat().st_size if self.path.exists() else 0

    def read(self) -> str:
        """Return the complete lines added since the last call."""
        if not self.path.exists():
            return ""
        with self.path.open("rb") as file:
            file.seek(self.position)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self.position += len(whole)
        return whole.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class WorkerMetrics:
    """Sends the metrics in workers' logs to CloudWatch."""

    client: "CloudWatchClient"
    tails: dict[Path, Tail] = field(default_factory=dict)

    def follow(self, log: Path) -> None:
        """Follow a log from its current end."""
        self.tails.setdefault(log, Tail(log))

    def send(self) -> None:
        """Send the metrics added to the logs."""
        for tail in self.tails.values():
            for datum in read_metrics(tail.read()):
                self.client.put_metric_data(
                    Namespace=datum.namespace, MetricData=list(split_datum(datum))
                )


def split_datum(datum: Datum) -> Iterable["MetricDatumTypeDef"]:
    """Convert a datum for CloudWatch, splitting it if it has too many values."""
    for first in range(0, len(datum.values), VALUES):
        yield {
            "MetricName": datum.name,
            "Dimensions": [
                {"Name": name, "Value": value} for name, value in datum.dimensions.items()
            ],
            "Timestamp": datetime.fromtimestamp(datum.time, UTC),
            "Unit": datum.unit,  # type: ignore[typeddict-item]  # as printed
            "Values": datum.values[first : first + VALUES],
            "Counts": datum.counts[first : first + VALUES],
        }
