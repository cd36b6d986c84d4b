"""Metrics read from what functions print, as CloudWatch reads them."""

import json
import logging
from types import SimpleNamespace
from typing import Any

import pytest

from serval_cli.local.launcher.patches.functions import embedded_metrics
from serval_cli.local.launcher.patches.functions.embedded_metrics import Datum, read_metrics


def line(**members: Any) -> str:
    directive = {
        "Namespace": "Serval",
        "Dimensions": [["Model"], []],
        "Metrics": [{"Name": "Latency", "Unit": "Milliseconds"}, {"Name": "Absent"}],
    }
    return json.dumps(
        {"_aws": {"Timestamp": 2000, "CloudWatchMetrics": [directive]}, "Model": "iris"} | members
    )


def test_a_metric_is_stored_once_for_each_set_of_dimensions() -> None:
    values = {"values": [1.0, 2.0], "counts": [1.0, 1.0]}
    assert list(read_metrics(f"some text\n{line(Latency=[1, 2])}\nmore")) == [
        Datum("Serval", "Latency", {"Model": "iris"}, 2.0, "Milliseconds", **values),
        Datum("Serval", "Latency", {}, 2.0, "Milliseconds", **values),
    ]


@pytest.mark.parametrize(
    ("value", "values", "counts"),
    [
        (3, [3.0], [1.0]),
        ([3, 4.5], [3.0, 4.5], [1.0, 1.0]),
        ({"Values": [3, 4], "Counts": [10, 1]}, [3.0, 4.0], [10.0, 1.0]),
    ],
)
def test_values_may_be_one_or_several_or_counted(
    value: Any, values: list[float], counts: list[float]
) -> None:
    found = next(read_metrics(line(Latency=value)))
    assert (found.values, found.counts) == (values, counts)


@pytest.mark.parametrize(
    "malformed",
    [
        '"_aws" without an object',
        '{"_aws": ',
        '{"_aws": {}}',
        '{"_aws": 5}',
        line(Latency="fast"),
        line(Latency={"Values": [1]}),
        line(Latency=1).replace("iris", "iris").replace('"Model": "iris"', '"Other": "iris"'),
    ],
)
def test_a_malformed_line_is_logged_and_hides_no_other(
    malformed: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert len(list(read_metrics(f"{malformed}\n{line(Latency=1)}"))) == 2
    assert "no metrics in" in caplog.text


def test_the_log_itself_is_kept_and_alarms_see_what_is_stored() -> None:
    calls: list[Any] = []
    cloudwatch = SimpleNamespace(
        _store_datum=lambda *args: calls.append(("stored", args[1], args[6])),
        _evaluate_all_alarms=lambda: calls.append(("alarms",)),
    )
    lambda_svc = SimpleNamespace(
        _emit_lambda_logs=lambda func, request_id, text, *args, **kw: calls.append(("log", text))
    )
    emulator: Any = SimpleNamespace(cloudwatch=cloudwatch, lambda_svc=lambda_svc)
    embedded_metrics.apply(emulator)
    lambda_svc._emit_lambda_logs({}, "id", "nothing", False, 1, log_source=None)
    assert calls == [("log", "nothing")]
    lambda_svc._emit_lambda_logs({}, "id", line(Latency=1), False, 1)
    assert calls[2:] == [("stored", "Latency", [1.0])] * 2 + [("alarms",)]
