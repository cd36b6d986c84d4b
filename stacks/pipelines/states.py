"""The states of a durable pipeline, in the language of Step Functions.

::

    Advance -> Steps (map): Run -> waits? -> Requests (map): Await -> Run again
       ^           │
       └───────────┘

One machine runs every version of every pipeline: ``proceed`` reads the plan, and names the steps
that can run now. Nothing that grows with a value passes through the state, and what waits for a
fleet costs nothing meanwhile.
"""

from collections.abc import Mapping
from typing import Any

from serval.requests.callbacks.messages import TASK_TOKEN
from stacks.batch.states import NOT_ITS_OWN, THROTTLED, catch_errors, retry, return_nothing

State = dict[str, Any]

SPENT = "States.Timeout"
"""A step waited for as long as it may, or for an hour: it looks for its requests by itself."""
REQUEST = {"request.$": "$.request", "attempt.$": "$.attempt"}
TRIES = 6


def definition(function: str, *, partition: str, queue_url: str) -> State:
    """Return the definition of the machine.

    Parameters
    ----------
    function
        The ARN of ``proceed``.
    queue_url
        Of the queue of callbacks, whose function ends the tasks of those who wait.
    """
    states: State = {
        "Advance": {
            **_call(function, {**REQUEST, "execution.$": "$$.Execution.Id"}, "$.went"),
            "Catch": catch_errors("Give up"),
            "Next": "After advance",
        },
        "After advance": _after("steps", "Steps", "Ended"),
        "Steps": {
            "Type": "Map",
            "ItemsPath": "$.went.steps",
            "ItemSelector": {**REQUEST, "step.$": "$$.Map.Item.Value"},
            "ItemProcessor": _step(function, partition, queue_url),
            "ResultPath": None,
            "Catch": catch_errors("Give up"),
            "Next": "Advance",
        },
        "Give up": {
            **_call(function, {**REQUEST, "error.$": "$.error"}, None),
            "Next": "Ended",
        },
        "Ended": {"Type": "Succeed"},
    }
    return {"Comment": "A request of a durable pipeline", "StartAt": "Advance", "States": states}


def _step(function: str, partition: str, queue_url: str) -> State:
    """Run a step until it has ended, waiting for its requests in between."""
    step = {**REQUEST, "step.$": "$.step"}
    states: State = {
        "Run": {
            **_call(function, step, "$.went"),
            "Catch": catch_errors("Give the step up"),
            "Next": "After run",
        },
        "After run": _after("waits", "Requests", "Run to its end"),
        "Requests": {
            "Type": "Map",
            "ItemsPath": "$.went.requests",
            "ItemSelector": {"id.$": "$$.Map.Item.Value", "seconds.$": "$.went.seconds"},
            "ItemProcessor": _await_request(partition, queue_url),
            "ResultPath": None,
            "Catch": catch_errors("Give the step up"),
            "Next": "Run",
        },
        "Give the step up": {
            **_call(function, {**step, "error.$": "$.error"}, None),
            "Next": "Run to its end",
        },
        "Run to its end": return_nothing(),
    }
    return {"ProcessorConfig": {"Mode": "INLINE"}, "StartAt": "Run", "States": states}


def _await_request(partition: str, queue_url: str) -> State:
    """Send a message with a task token, which comes back once a request has ended."""
    states: State = {
        "Await": {
            "Type": "Task",
            "Resource": f"arn:{partition}:states:::sqs:sendMessage.waitForTaskToken",
            "Parameters": {
                "QueueUrl": queue_url,
                "MessageBody": {"id.$": "$.id", f"{TASK_TOKEN}.$": "$$.Task.Token"},
            },
            "TimeoutSecondsPath": "$.seconds",
            "Retry": [{"ErrorEquals": [SPENT], "MaxAttempts": 0}, *_retries()],
            "Catch": [{"ErrorEquals": [SPENT], "Next": "Waited"}],
            "Next": "Waited",
        },
        "Waited": return_nothing(),
    }
    return {"ProcessorConfig": {"Mode": "INLINE"}, "StartAt": "Await", "States": states}


def _call(function: str, payload: Mapping[str, Any], result: str | None) -> State:
    return {
        "Type": "Task",
        "Resource": function,
        "Parameters": dict(payload),
        "ResultPath": result,
        "Retry": _retries(),
    }


def _after(outcome: str, following: str, otherwise: str) -> State:
    """Branch on the outcome of a call."""
    is_so = {"Variable": "$.went.outcome", "StringEquals": outcome, "Next": following}
    return {"Type": "Choice", "Choices": [is_so], "Default": otherwise}


def _retries() -> list[State]:
    """Retry for long while Lambda is throttled, and a few times after any other failure."""
    return [
        retry([THROTTLED], tries=150, seconds=5, longest=60),
        retry(NOT_ITS_OWN, tries=7, seconds=2, longest=60),
        retry(["States.ALL"], tries=TRIES, seconds=2, longest=30),
    ]
