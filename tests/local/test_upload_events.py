"""Of an upload, only what announces it starts an execution of the machine of rollouts."""

import json
from collections import Counter

from serval.aws.dynamodb.registry import DynamoDBRegistry
from tests.fakes.inference import plus
from tests.local.conftest import LocalStage
from tests.local.test_rollouts import ended, newest, push, registry, until

__all__ = ["registry"]


def started(stage: LocalStage, model: str) -> Counter[str]:
    """Count the executions by the key of the object that started them."""
    states = stage.client("stepfunctions")
    (machine,) = [
        each["stateMachineArn"]
        for each in states.list_state_machines()["stateMachines"]
        if "rollout" in each["name"].lower()
    ]
    pages = states.get_paginator("list_executions").paginate(stateMachineArn=machine)
    events = (
        json.loads(states.describe_execution(executionArn=each["executionArn"])["input"])
        for page in pages
        for each in page["executions"]
    )
    keys = (str(event["detail"]["object"]["key"]) for event in events)
    return Counter(key for key in keys if key.startswith(f"incoming/{model}/"))


def test_an_upload_starts_one_execution_whatever_files_it_has(
    stage: LocalStage, registry: DynamoDBRegistry
) -> None:
    upload = push(stage, "announced", plus(1), yaml="")
    ended(registry, "announced", upload)
    bundle = {f"incoming/announced/{upload}/manifest.json": 1}
    assert started(stage, "announced") == bundle

    bare = "incoming/announced/model.onnx"
    stage.client("s3").put_object(Bucket=stage.artifact_bucket, Key=bare, Body=plus(1))
    until(
        "the bare artifact has a rollout",
        lambda: ((known := newest(registry, "announced")) and known.rollout != upload) or None,
    )
    assert started(stage, "announced") == bundle | {bare: 1}
