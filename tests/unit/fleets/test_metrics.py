"""What CloudWatch reads of a tick."""

import json

from serval.fleets.metrics import METRICS, publish
from serval.fleets.state import FleetState
from tests.fakes.fleets import moment, seen


def test_a_look_is_three_metrics_of_its_fleet() -> None:
    lines: list[str] = []
    look = seen(60, waiting=3, running=2, oldest_age_seconds=41.23456)

    publish(FleetState(fleet="gpu", machines=4), look, lines.append)

    (line,) = (json.loads(line) for line in lines)
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Serval"
    assert directive["Dimensions"] == [["Fleet"]]
    assert {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]} == METRICS
    assert line["_aws"]["Timestamp"] == moment(60).timestamp() * 1000
    assert {name: line[name] for name in ("Fleet", *METRICS)} == {
        "Fleet": "gpu",
        "OldestAge": 41.235,
        "Open": 5,
        "Machines": 4,
    }


def test_they_stay_within_their_budget() -> None:
    assert len(METRICS) <= 3, "each costs $0.30 a month"
