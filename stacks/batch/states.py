"""The states of a batch job, in the language of Step Functions.

::

    Accept -> Plan -> Scan (map) -> Cut -> Shards (map) or Tasks (map) -> Assemble -> Done
                └────────────────────────────^

Refusals and failures of a step lead to ``finish``. Nothing that grows with the input passes through
the state: ranges and shards are read from S3, and children return ``{}``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from serval.batch.shard.tasks import LOST

State = dict[str, Any]
Steps = Mapping[str, str]
"""Step → the ARN of its function."""

THROTTLED = "Lambda.TooManyRequestsException"
NOT_ITS_OWN = (
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
)
"""Failures of Lambda itself."""
FINAL = ("JobStopped", "BatchRefused", "BatchJobNotFound", LOST)
"""Failures of a shard that another attempt would only repeat."""
TOO_LARGE = "States.DataLimitExceeded"
"""A catch of all errors does not include this one."""
SILENT = "States.HeartbeatTimeout"
HEARTBEAT_SECONDS = 1800
"""Longest time without a heartbeat; a message sends none while it waits for a machine.

It does not serve to detect dead workers, whose messages become visible when their lease ends.
"""
SILENCES = 100
"""Attempts at a shard that no worker has taken, or that all have lost."""
FLEET = {"fleet.$": "$.fleet"}
"""Added to the input of shards on a fleet."""


def definition(steps: Steps, *, partition: str, queue_url: str, scans_at_once: int) -> State:
    """Return the definition of the machine; ``queue_url`` has ``{}`` for a fleet's name."""
    ask = f"arn:{partition}:states:::sqs:sendMessage.waitForTaskToken"
    job = {"job.$": "$.job"}
    begin = {"input.$": "$", "owner.$": "$$.Execution.Id"}
    parts = {"shards": "Where", "assemble": "Assemble"}
    states: State = {
        "Accept": _step(steps["accept"], begin, "After accept", fail="Fail to accept"),
        "After accept": _after({"accepted": "Plan", "ignored": "Done"}),
        "Plan": _step(steps["plan"], job, "After plan"),
        "After plan": _after({"scan": "Scan", **parts}),
        "Scan": _scan(steps["scan"], partition, scans_at_once),
        "Cut": _step(steps["cut"], job, "After cut"),
        "After cut": _after(parts),
        "Where": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.fleet", "IsNull": True, "Next": "Shards"}],
            "Default": "Tasks",
        },
        "Shards": _of_shards("Shards", partition, _on_lambda(steps["shard"])),
        "Tasks": _of_shards("Tasks", partition, _on_fleet(ask, queue_url), **FLEET),
        "Assemble": _step(steps["assemble"], job, "After assemble"),
        "After assemble": _after({"succeeded": "Done"}),
        "Refuse": _finish(steps["finish"], job | {"reason.$": "$.reason"}),
        "Fail": _finish(steps["finish"], job | {"error.$": "$.error"}),
        "Fail to accept": _finish(steps["finish"], {}),
        "Done": {"Type": "Succeed"},
    }
    return {"Comment": "A batch job", "StartAt": "Accept", "States": states}


def _step(function: str, payload: State, following: str, *, fail: str = "Fail") -> State:
    """Call a step; every step can be repeated safely."""
    return {
        "Type": "Task",
        "Resource": function,
        "Parameters": payload,
        "Retry": _retries(),
        "Catch": catch_errors(fail),
        "Next": following,
    }


def _finish(function: str, payload: State) -> State:
    """End the job with a reason, or with the error that was caught."""
    return {
        "Type": "Task",
        "Resource": function,
        **({"Parameters": payload} if payload else {}),
        "Retry": _retries(tries=8),
        "Next": "Done",
    }


def map_labels(machine: State) -> list[str]:
    """List the labels of a machine's maps, with which their children's names begin."""
    return [state["Label"] for state in machine["States"].values() if "Label" in state]


def _after(outcomes: Mapping[str, str]) -> State:
    """Branch on an outcome; unlisted outcomes are refusals."""
    return {
        "Type": "Choice",
        "Choices": [
            {"Variable": "$.outcome", "StringEquals": outcome, "Next": following}
            for outcome, following in outcomes.items()
        ],
        "Default": "Refuse",
    }


def _scan(function: str, partition: str, at_once: int) -> State:
    """Scan all ranges in parallel; the results lie beside the plan."""
    child = {"Type": "Task", "Resource": function, "Retry": _retries(FINAL), "Next": "Scanned"}
    return _distributed_map(
        "Scan",
        _lines(partition, "$.ranges"),
        {"range.$": "$$.Map.Item.Value"},
        {"StartAt": "Range", "States": {"Range": child, "Scanned": return_nothing()}},
        {"MaxConcurrency": at_once},
        "Cut",
    )


def _of_shards(name: str, partition: str, child: State, **more: str) -> State:
    """Run shards with the job's concurrency and its tolerance of failures."""
    return _distributed_map(
        name,
        _lines(partition, "$.items"),
        {"shard.$": "$$.Map.Item.Value", "model.$": "$.model", **more},
        child,
        {
            "MaxConcurrencyPath": "$.concurrency",
            "ToleratedFailurePercentagePath": "$.tolerated_failed_percent",
        },
        "Assemble",
    )


def _on_lambda(function: str) -> State:
    """Call ``shard`` until it no longer returns a point to resume from.

    It waits for the requests of a durable pipeline, and while these take long, nothing runs.
    """
    shard = {
        "Type": "Task",
        "Resource": function,
        "ResultPath": "$.went",
        "Retry": _retries(FINAL),
        "Next": "After shard",
    }
    later = {"Variable": "$.went.seconds", "IsPresent": True, "Next": "Wait for rows"}
    onward = {"Variable": "$.went.resume", "IsPresent": True, "Next": "Shard"}
    return {
        "StartAt": "Shard",
        "States": {
            "Shard": shard,
            "After shard": {"Type": "Choice", "Choices": [later, onward], "Default": "Answered"},
            "Wait for rows": {"Type": "Wait", "SecondsPath": "$.went.seconds", "Next": "Shard"},
            "Answered": return_nothing(),
        },
    }


def _on_fleet(ask: str, queue_url: str) -> State:
    """Send a message with a task token, and wait until a worker returns it."""
    task = {
        "Type": "Task",
        "Resource": ask,
        "Parameters": {
            "QueueUrl.$": f"States.Format('{queue_url}', $.fleet)",
            "MessageBody": {
                "shard.$": "$.shard",
                "model.$": "$.model",
                "task_token.$": "$$.Task.Token",
            },
        },
        "HeartbeatSeconds": HEARTBEAT_SECONDS,
        "Retry": [retry([SILENT], tries=SILENCES, seconds=1, longest=60), *_retries(FINAL)],
        "Next": "Answered by a fleet",
    }
    return {"StartAt": "Ask", "States": {"Ask": task, "Answered by a fleet": return_nothing()}}


def _distributed_map(
    label: str, reader: State, item: State, child: State, limits: State, following: str
) -> State:
    processor = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, **child}
    return {
        "Type": "Map",
        "Label": label,
        "ItemReader": reader,
        "ItemSelector": item,
        "ItemProcessor": processor,
        **limits,
        "ResultPath": None,
        "Catch": catch_errors("Fail"),
        "Next": following,
    }


def _lines(partition: str, at: str) -> State:
    """Read a map's items, one per line, from an object that a step has written."""
    return {
        "Resource": f"arn:{partition}:states:::s3:getObject",
        "ReaderConfig": {"InputType": "JSONL"},
        "Parameters": {"Bucket.$": f"{at}.bucket", "Key.$": f"{at}.key"},
    }


def return_nothing() -> State:
    """End an item with ``{}``, since the results of ten thousand must fit into 256 KiB."""
    return {"Type": "Pass", "Result": {}, "End": True}


def _retries(final: Sequence[str] = (), *, tries: int = 4) -> list[State]:
    """Retry for long while Lambda is throttled, and a few times after any other failure."""
    return [
        *([{"ErrorEquals": list(final), "MaxAttempts": 0}] if final else ()),
        retry([THROTTLED], tries=150, seconds=5, longest=60),
        retry(NOT_ITS_OWN, tries=7, seconds=2, longest=60),
        {
            "ErrorEquals": ["States.ALL"],
            "IntervalSeconds": 2,
            "MaxAttempts": tries - 1,
            "BackoffRate": 3,
        },
    ]


def retry(errors: Sequence[str], *, tries: int, seconds: int, longest: int) -> State:
    """Retry errors, at random moments within pauses that double."""
    return {
        "ErrorEquals": list(errors),
        "IntervalSeconds": seconds,
        "MaxAttempts": tries - 1,
        "BackoffRate": 2,
        "MaxDelaySeconds": longest,
        "JitterStrategy": "FULL",
    }


def catch_errors(fail: str) -> list[State]:
    """Let every error of a state lead to another state."""
    return [
        {"ErrorEquals": [error], "ResultPath": "$.error", "Next": fail}
        for error in (TOO_LARGE, "States.ALL")
    ]
