"""Metrics: few, aggregated, printed in CloudWatch's embedded format."""

import json

from serval.models.metrics import FLUSH_REQUESTS, METRICS, SPARE_FLUSHES, InferenceMetrics
from tests.fakes.inference import Clock

METRICS_PER_MODEL = 6
"""The budget: at $0.30 each a month, a model costs at most $1.80."""


def test_a_model_has_no_more_metrics_than_its_budget() -> None:
    printed: list[str] = []
    metrics = InferenceMetrics(printed.append, Clock())
    metrics.count_answer("iris", "stable", 1.0)
    metrics.count_answer("iris", "candidate", 1.0)
    metrics.count_failure("iris", "stable")
    metrics.count_failure("iris", "candidate")
    metrics.flush()
    names = set()
    for line in printed:
        document = json.loads(line)
        for directive in document["_aws"]["CloudWatchMetrics"]:
            assert directive["Dimensions"] == [["Model", "Track"]]
            names |= {(document["Track"], metric["Name"]) for metric in directive["Metrics"]}
    assert {name for _, name in names} == METRICS.keys()
    assert len(names) == METRICS_PER_MODEL


def busy(printed: list[str], clock: Clock) -> InferenceMetrics:
    """Build metrics that have just used up their spare flushes."""
    metrics = InferenceMetrics(printed.append, clock)
    for _ in range(SPARE_FLUSHES):
        metrics.count_answer("iris", "stable", 1.0)
    assert len(printed) == SPARE_FLUSHES
    printed.clear()
    return metrics


def test_what_a_quiet_environment_did_last_is_known_before_it_is_frozen() -> None:
    printed: list[str] = []
    clock = Clock()
    metrics = InferenceMetrics(printed.append, clock)
    for number in range(1, 6):
        clock.seconds += 1
        metrics.count_answer("iris", "stable", 1.0)
        assert sum(json.loads(line)["Requests"] for line in printed) == number


def test_a_busy_environment_prints_every_ten_seconds_or_hundred_requests() -> None:
    printed: list[str] = []
    clock = Clock()
    metrics = busy(printed, clock)
    for _ in range(FLUSH_REQUESTS - 1):
        metrics.count_answer("iris", "stable", 1.0)
    assert printed == []
    metrics.count_answer("iris", "stable", 1.0)
    assert json.loads(printed[0])["Requests"] == FLUSH_REQUESTS
    metrics.count_answer("iris", "stable", 2.0)
    clock.seconds += 10
    metrics.count_answer("iris", "stable", 3.0)
    assert json.loads(printed[1])["Latency"] == [2.0, 3.0]


def test_a_steady_stream_prints_no_more_than_six_times_a_minute() -> None:
    printed: list[str] = []
    clock = Clock()
    metrics = busy(printed, clock)
    for _ in range(600):
        clock.seconds += 1
        metrics.count_answer("iris", "stable", 1.0)
    assert len(printed) <= 61
    assert sum(json.loads(line)["Requests"] for line in printed) >= 590


def test_a_process_that_goes_on_waits_with_each_print() -> None:
    printed: list[str] = []
    metrics = InferenceMetrics(printed.append, Clock(), spare=0)
    for _ in range(3):
        metrics.count_answer("iris", "stable", 1.0)
    assert len(printed) == 1


def test_metrics_are_kept_by_the_second() -> None:
    printed: list[str] = []
    InferenceMetrics(printed.append, Clock()).count_answer("iris", "stable", 1.0)
    (directive,) = json.loads(printed[0])["_aws"]["CloudWatchMetrics"]
    assert {metric["StorageResolution"] for metric in directive["Metrics"]} == {1}


def test_what_an_idle_environment_prints_late_is_dated_when_it_happened() -> None:
    printed: list[str] = []
    clock = Clock()
    metrics = busy(printed, clock)
    metrics.count_answer("iris", "candidate", 1.0)
    happened = clock.seconds
    clock.seconds += 600
    metrics.count_answer("iris", "stable", 1.0)
    late, now = (json.loads(line) for line in printed)
    assert (late["Track"], late["_aws"]["Timestamp"]) == ("candidate", happened * 1000)
    assert (now["Track"], now["_aws"]["Timestamp"]) == ("stable", clock.seconds * 1000)


def test_each_failed_step_has_a_metric_and_is_not_a_request() -> None:
    printed: list[str] = []
    clock = Clock()
    metrics = busy(printed, clock)
    metrics.count_failed_steps("mood", ["review", "verdict"])
    metrics.count_failed_steps("mood", ["review"])
    failed = clock.seconds
    clock.seconds += 20
    metrics.count_answer("mood", "stable", 1.0)
    documents = [json.loads(line) for line in printed]
    assert [(each.get("Step"), each["Errors"]) for each in documents] == [
        (None, 0),
        ("review", 2),
        ("verdict", 1),
    ]
    for document in documents[1:]:
        (directive,) = document["_aws"]["CloudWatchMetrics"]
        assert directive["Dimensions"] == [["Model", "Step"]]
        assert [metric["Name"] for metric in directive["Metrics"]] == ["Errors"]
        assert document["_aws"]["Timestamp"] == failed * 1000
    metrics.flush()
    assert len(printed) == 3, "they are told once"


def test_a_step_that_failed_is_known_before_a_quiet_environment_is_frozen() -> None:
    printed: list[str] = []
    InferenceMetrics(printed.append, Clock()).count_failed_steps("mood", ["review"])
    assert json.loads(printed[0])["Step"] == "review"


def test_no_document_has_more_values_than_the_format_allows() -> None:
    assert FLUSH_REQUESTS <= 100
