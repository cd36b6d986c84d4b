"""The states of a batch job, and where each of them leads, as Step Functions takes them.

::

    Accept -> Plan -> Scan (map) -> Cut -> Shards (map) or Tasks (map) -> Assemble -> Done
                └────────────────────────────^

A step that refuses, and one that fails, lead to ``finish``. Nothing that grows with the input goes
through the state: ranges and shards are read from S3, and children return ``{}``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from serval.batch.shard.tasks import LOST

State = dict[str, Any]
Steps = Mapping[str, str]
"""ARNs of the functions, by the name of the step."""

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
"""What catches all errors does not catch this one."""
SILENT = "States.HeartbeatTimeout"
HEARTBEAT_SECONDS = 1800
"""A message waits until the fleet has a machine for it, and nothing beats while it does.

A worker that dies is not what this is for: its message is seen again when its lease has ended.
"""
SILENCES = 100
"""So often a shard is asked for again that no worker has taken up, or that all have lost."""
FLEET = {"fleet.$": "$.fleet"}
"""What a shard on a fleet is told beside its model."""


def definition(steps: Steps, *, partition: str, queue_url: str, scans_at_once: int) -> State:
    """Give the whole machine; ``queue_url`` has ``{}`` for a fleet's name."""
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
    """Call a step; all of them may be done again without harm."""
    return {
        "Type": "Task",
        "Resource": function,
        "Parameters": payload,
        "Retry": _retries(),
        "Catch": _caught(fail),
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


def labels(machine: State) -> list[str]:
    """List what a machine's maps are called: their children's names begin so."""
    return [state["Label"] for state in machine["States"].values() if "Label" in state]


def _after(outcomes: Mapping[str, str]) -> State:
    """Go where an outcome leads; any other is a refusal."""
    return {
        "Type": "Choice",
        "Choices": [
            {"Variable": "$.outcome", "StringEquals": outcome, "Next": following}
            for outcome, following in outcomes.items()
        ],
        "Default": "Refuse",
    }


def _scan(function: str, partition: str, at_once: int) -> State:
    """Go through all ranges at once; what they find lies beside the plan."""
    child = {"Type": "Task", "Resource": function, "Retry": _retries(FINAL), "Next": "Scanned"}
    return _distributed(
        "Scan",
        _lines(partition, "$.ranges"),
        {"range.$": "$$.Map.Item.Value"},
        {"StartAt": "Range", "States": {"Range": child, "Scanned": _nothing()}},
        {"MaxConcurrency": at_once},
        "Cut",
    )


def _of_shards(name: str, partition: str, child: State, **more: str) -> State:
    """Run shards, as many at once, and with as many failures, as the job allows."""
    return _distributed(
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
    """Call ``shard`` until it says no more where to go on."""
    shard = {
        "Type": "Task",
        "Resource": function,
        "ResultPath": "$.went",
        "Retry": _retries(FINAL),
        "Next": "After shard",
    }
    onward = {"Variable": "$.went.resume", "IsPresent": True, "Next": "Shard"}
    after = {"Type": "Choice", "Choices": [onward], "Default": "Answered"}
    return {
        "StartAt": "Shard",
        "States": {"Shard": shard, "After shard": after, "Answered": _nothing()},
    }


def _on_fleet(ask: str, queue_url: str) -> State:
    """Send one message with a task token, and wait for whoever works on it."""
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
        "Retry": [_retry([SILENT], tries=SILENCES, seconds=1, longest=60), *_retries(FINAL)],
        "Next": "Answered by a fleet",
    }
    return {"StartAt": "Ask", "States": {"Ask": task, "Answered by a fleet": _nothing()}}


def _distributed(
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
        "Catch": _caught("Fail"),
        "Next": following,
    }


def _lines(partition: str, at: str) -> State:
    """Read a map's items from an object that a step has written, one a line."""
    return {
        "Resource": f"arn:{partition}:states:::s3:getObject",
        "ReaderConfig": {"InputType": "JSONL"},
        "Parameters": {"Bucket.$": f"{at}.bucket", "Key.$": f"{at}.key"},
    }


def _nothing() -> State:
    """End a child with ``{}``: what ten thousand of them return has to fit 256 KiB."""
    return {"Type": "Pass", "Result": {}, "End": True}


def _retries(final: Sequence[str] = (), *, tries: int = 4) -> list[State]:
    """Try again: long while Lambda is at its limit, a few times after any other failure."""
    return [
        *([{"ErrorEquals": list(final), "MaxAttempts": 0}] if final else ()),
        _retry([THROTTLED], tries=150, seconds=5, longest=60),
        _retry(NOT_ITS_OWN, tries=7, seconds=2, longest=60),
        {
            "ErrorEquals": ["States.ALL"],
            "IntervalSeconds": 2,
            "MaxAttempts": tries - 1,
            "BackoffRate": 3,
        },
    ]


def _retry(errors: Sequence[str], *, tries: int, seconds: int, longest: int) -> State:
    return {
        "ErrorEquals": list(errors),
        "IntervalSeconds": seconds,
        "MaxAttempts": tries - 1,
        "BackoffRate": 2,
        "MaxDelaySeconds": longest,
        "JitterStrategy": "FULL",
    }


def _caught(fail: str) -> list[State]:
    """Have every error of a state lead elsewhere."""
    return [
        {"ErrorEquals": [error], "ResultPath": "$.error", "Next": fail}
        for error in (TOO_LARGE, "States.ALL")
    ]
