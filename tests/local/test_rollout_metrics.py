"""Metrics, alarms and events of rollouts against an AWS emulator on a loopback port of its own."""

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from serval.aws.cloudwatch.alarms import CloudWatchAlarms
from serval.aws.cloudwatch.rollout_metrics import CloudWatchRolloutMetrics
from serval.bootstrap.events import rollout_events
from serval.models.registry import Rollout
from serval.models.route import Track
from serval.rollouts.events import detail
from serval.rollouts.policy.measurement import MetricReading, track_metrics
from serval.rollouts.policy.windows import Window, complete_window
from serval.rollouts.steps.evaluate import Alarms

STEP = timedelta(seconds=240)


@pytest.fixture
def client(endpoint: str) -> Any:
    """Make clients of the emulator's services."""
    session = boto3.Session("test", "test", region_name="eu-central-1")
    return lambda service: session.client(service, endpoint_url=endpoint)


def put(cloudwatch: Any, model: str, track: Track, start: datetime, latency_ms: float) -> Any:
    """Write what ``infer`` writes in a step: every 10 s, 20 requests of which one fails."""
    chance = random.Random(f"{model} {track}")
    values: list[float] = []
    for second in range(0, int(STEP.total_seconds()), 10):
        latencies = [chance.lognormvariate(0, 0.3) * latency_ms for _ in range(19)]
        values += latencies
        metrics = {"Requests": [20.0], "Errors": [1.0], "Latency": latencies}
        cloudwatch.put_metric_data(
            Namespace="Serval",
            MetricData=[
                {
                    "MetricName": name,
                    "Dimensions": [
                        {"Name": "Model", "Value": model},
                        {"Name": "Track", "Value": track},
                    ],
                    "Timestamp": start + timedelta(seconds=second),
                    "Values": written,
                    "StorageResolution": 1,
                }
                for name, written in metrics.items()
            ],
        )
    return sorted(values)


@pytest.mark.parametrize("period_seconds", [10, 30, 60, 300])
def test_metrics_of_a_step_are_counted_and_its_latencies_bounded(client: Any, period_seconds: int):
    cloudwatch, model = client("cloudwatch"), f"iris-{period_seconds}"
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=6)
    start -= timedelta(seconds=start.second % 10)
    stable = put(cloudwatch, model, "stable", start, 10.0)
    candidate = put(cloudwatch, model, "candidate", start, 40.0)
    before, after = start - timedelta(minutes=1), start + STEP
    put(cloudwatch, model, "candidate", before - STEP, 1000.0)
    put(cloudwatch, model, "candidate", after, 1000.0)
    window = Window(start, after, period_seconds)
    metrics = CloudWatchRolloutMetrics(cloudwatch)

    for track, values in (("stable", stable), ("candidate", candidate)):
        measured = track_metrics(metrics.read(model, track, window))  # type: ignore[arg-type]

        assert (measured.requests, measured.errors) == (480, 24)
        assert measured.latency_lower_ms < measured.latency_ms < measured.latency_upper_ms
        for rank, found in (
            (0.95, measured.latency_ms),
            (0.95 - 0.0168, measured.latency_lower_ms),
            (0.95 + 0.0168, measured.latency_upper_ms),
        ):
            assert sum(value <= found for value in values) / len(values) == pytest.approx(
                rank, abs=0.008
            )


def test_what_nobody_wrote_is_zero(client: Any):
    now = datetime.now(UTC)
    window = complete_window(now - STEP, now)
    assert window is not None
    reading = CloudWatchRolloutMetrics(client("cloudwatch")).read("nobody", "stable", window)
    assert reading == MetricReading()
    assert track_metrics(reading).latency_upper_ms == 0


def test_alarms_ring_or_are_missing(client: Any):
    cloudwatch = client("cloudwatch")
    for name, state in (("failing", "ALARM"), ("fine", "OK")):
        cloudwatch.put_metric_alarm(
            AlarmName=name,
            Namespace="Shop",
            MetricName="Orders",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="LessThanThreshold",
        )
        cloudwatch.set_alarm_state(AlarmName=name, StateValue=state, StateReason="test")
    cloudwatch.put_composite_alarm(AlarmName="shop", AlarmRule='ALARM("failing")')
    alarms = CloudWatchAlarms(cloudwatch)

    assert alarms.look_up(["fine", "failing", "shop", "unknown"]) == Alarms(
        ("failing", "shop"), ("unknown",)
    )
    assert alarms.look_up(["fine"]) == Alarms()
    assert alarms.look_up([]) == Alarms()


def test_a_rule_hears_of_a_rollout(client: Any):
    sqs, events = client("sqs"), client("events")
    queue = sqs.create_queue(QueueName="rollouts")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    pattern = {
        "source": ["serval"],
        "detail-type": ["serval.rollout"],
        "detail": {"status": ["promoted"]},
    }
    events.put_rule(Name="promoted", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="promoted", Targets=[{"Id": "queue", "Arn": arn["QueueArn"]}])
    running = Rollout(model="iris", rollout="u", status="running", created="1", updated="2")
    promoted = Rollout(model="iris", rollout="u", status="promoted", created="1", updated="3")

    rollout_events(events).announce(running)
    rollout_events(events).announce(promoted)

    answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=10)
    assert [json.loads(message["Body"])["detail"] for message in answer["Messages"]] == [
        detail(promoted)
    ]
