"""Everything acts by its role, and what the role lacks is refused in the service's own words."""

import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError

from serval_cli.local.aws_client import CONFIG
from tests.local.conftest import LocalStage
from tests.local.own_functions import LOGS, document, role, sdk_layer, statement

CALLER = """
import boto3
from botocore.exceptions import ClientError

def handler(event, context):
    service, operation, asked = event
    try:
        getattr(boto3.client(service), operation)(**asked)
    except ClientError as error:
        answer = error.response
        status = answer["ResponseMetadata"]["HTTPStatusCode"]
        return [status, answer["Error"]["Code"], answer["Error"]["Message"]]
    return [200, "", ""]
"""
ALLOWED = [200, "", ""]
OWN_PARTITION = {
    "ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["own#*"]},
    "Null": {"dynamodb:LeadingKeys": "false"},
}
OURS = {"StringEquals": {"events:source": "ours"}}
BOUND = "permitted"


@dataclass(frozen=True)
class Caller:
    """A function that makes one call and tells what came of it."""

    client: Any

    def call(self, service: str, operation: str, **asked: Any) -> list[Any]:
        event = json.dumps([service, operation, asked])
        answer = self.client.invoke(FunctionName="caller", Payload=event)
        found: list[Any] = json.loads(answer["Payload"].read())
        return found


@pytest.fixture(scope="module")
def caller(stage: LocalStage) -> Iterator[Caller]:
    """Give a function that may do some things: never those that a test below expects refused."""
    client, s3 = stage.client("lambda"), stage.client("s3")
    rights = (
        statement(LOGS),
        statement(["dynamodb:PutItem", "dynamodb:UpdateItem"], Condition=OWN_PARTITION),
        statement(["dynamodb:GetItem"], Condition=OWN_PARTITION),
        statement(["events:PutEvents"], Condition=OURS),
        statement(["s3:GetObject"], Resource=f"arn:aws:s3:::{BOUND}/own/*"),
        statement(["sqs:DeleteMessage"]),
    )
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("handler.py", CALLER)
    with ExitStack() as cleaning:
        own = cleaning.enter_context(role(stage, "caller", *rights))
        s3.create_bucket(Bucket=BOUND)
        s3.put_object(Bucket=BOUND, Key="own/there", Body=b"x")
        stage.client("dynamodb").create_table(
            TableName=BOUND,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        stage.client("sqs").create_queue(QueueName=BOUND)
        client.create_function(
            FunctionName="caller",
            Runtime="python3.13",
            Role=own,
            Handler="handler.handler",
            Code={"ZipFile": code.getvalue()},
            Layers=[sdk_layer(stage)],
            Timeout=30,
        )
        yield Caller(client)
        client.delete_function(FunctionName="caller")
        stage.client("sqs").delete_queue(QueueUrl=queue_url(stage))
        stage.client("dynamodb").delete_table(TableName=BOUND)
        s3.delete_object(Bucket=BOUND, Key="own/there")
        s3.delete_bucket(Bucket=BOUND)


def queue_url(stage: LocalStage) -> str:
    return str(stage.client("sqs").get_queue_url(QueueName=BOUND)["QueueUrl"])


def eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline, "not within 300 s"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("service", "operation", "asked", "status", "code"),
    [
        ("s3", "get_object", {"Bucket": BOUND, "Key": "other"}, 403, "AccessDenied"),
        ("s3", "put_object", {"Bucket": BOUND, "Key": "own/x"}, 403, "AccessDenied"),
        ("dynamodb", "scan", {"TableName": BOUND}, 400, "AccessDeniedException"),
        ("states", "list_state_machines", {}, 400, "AccessDeniedException"),
        ("lambda", "invoke", {"FunctionName": "caller"}, 403, "AccessDeniedException"),
        ("sqs", "create_queue", {"QueueName": "another"}, 403, "AccessDenied"),
        ("events", "list_rules", {}, 400, "AccessDeniedException"),
    ],
)
def test_a_function_that_lacks_a_right_is_refused_as_the_service_does_it(
    caller: Caller, service: str, operation: str, asked: dict[str, Any], status: int, code: str
) -> None:
    client = {"states": "stepfunctions"}.get(service, service)
    found = caller.call(client, operation, **asked)
    assert found[:2] == [status, code]


@pytest.mark.parametrize(("key", "allowed"), [("own#1", True), ("other#1", False)])
def test_a_grant_on_partitions_holds_for_each_way_to_write(
    caller: Caller, key: str, allowed: bool
) -> None:
    item = {"pk": {"S": key}}
    update = {"TableName": BOUND, "Key": item, "UpdateExpression": "SET n = :n"}
    update["ExpressionAttributeValues"] = {":n": {"N": "1"}}
    items = [{"Put": {"TableName": BOUND, "Item": {"pk": {"S": "own#2"}}}}, {"Update": update}]
    ways: list[tuple[str, dict[str, Any]]] = [
        ("put_item", {"TableName": BOUND, "Item": item}),
        ("update_item", update),
        ("transact_write_items", {"TransactItems": items}),
    ]
    for operation, asked in ways:
        found = caller.call("dynamodb", operation, **asked)
        assert (found == ALLOWED) is allowed, (operation, found)


def test_an_object_that_is_not_there_is_a_denied_one_to_who_may_not_list(caller: Caller) -> None:
    assert caller.call("s3", "get_object", Bucket=BOUND, Key="own/there") == ALLOWED
    status, code, message = caller.call("s3", "get_object", Bucket=BOUND, Key="own/missing")
    assert (status, code) == (403, "AccessDenied")
    assert "s3:ListBucket" in message
    assert caller.call("s3", "head_object", Bucket=BOUND, Key="own/missing")[0] == 403


def test_a_batch_of_messages_takes_the_right_to_one(stage: LocalStage, caller: Caller) -> None:
    entries = [{"Id": "1", "ReceiptHandle": "none"}]
    found = caller.call("sqs", "delete_message_batch", QueueUrl=queue_url(stage), Entries=entries)
    assert found == ALLOWED


@pytest.mark.parametrize(("source", "allowed"), [("ours", True), ("aws.s3", False)])
def test_events_are_of_the_sources_that_are_granted(
    caller: Caller, source: str, allowed: bool
) -> None:
    entry = {"Source": source, "DetailType": "said", "Detail": "{}"}
    found = caller.call("events", "put_events", Entries=[entry])
    assert (found == ALLOWED) is allowed, found


def test_a_machine_whose_role_may_not_call_a_function_fails(
    stage: LocalStage, caller: Caller
) -> None:
    machines = stage.client("stepfunctions")
    called = f"arn:aws:lambda:{stage.region}:000000000000:function:caller"
    asks = {"Type": "Task", "Resource": called, "End": True}
    definition = json.dumps({"StartAt": "Ask", "States": {"Ask": asks}})
    with role(stage, "machine", statement(["states:StartExecution"])) as own:
        machine = machines.create_state_machine(name=BOUND, definition=definition, roleArn=own)
        started = machines.start_execution(stateMachineArn=machine["stateMachineArn"])

        def ended() -> dict[str, Any]:
            found: dict[str, Any] = machines.describe_execution(
                executionArn=started["executionArn"]
            )
            return found if found["status"] != "RUNNING" else {}

        eventually(ended)
        assert ended()["error"] == "Lambda.AWSLambdaException"
        assert "lambda:InvokeFunction" in ended()["cause"]
        machines.delete_state_machine(stateMachineArn=machine["stateMachineArn"])


def test_a_right_taken_from_a_function_of_the_stage_is_missed_and_reported(
    stage: LocalStage,
) -> None:
    iam, name = stage.client("iam"), stage.functions()["describe"]
    own = stage.client("lambda").get_function_configuration(FunctionName=name)["Role"]
    own = own.rpartition("/")[2]
    (policy,) = iam.list_role_policies(RoleName=own)["PolicyNames"]
    granted = iam.get_role_policy(RoleName=own, PolicyName=policy)["PolicyDocument"]
    kept = [each for each in granted["Statement"] if "dynamodb:Query" not in each["Action"]]
    headers = {"x-api-key": stage.api_key}

    def models() -> int:
        return httpx.get(f"{stage.api_url}/v2/models", headers=headers, timeout=300).status_code

    assert models() == 200
    iam.put_role_policy(RoleName=own, PolicyName=policy, PolicyDocument=document(*kept))
    try:
        assert models() >= 500
    finally:
        iam.put_role_policy(RoleName=own, PolicyName=policy, PolicyDocument=json.dumps(granted))
    assert models() == 200

    def refused() -> bool:
        report = json.loads(stage.serval("local", "permissions", "--json"))
        return any(
            each["role"] == own and each["action"] == "dynamodb:Query" for each in report["refused"]
        )

    eventually(refused)


def test_a_presigned_url_is_good_for_what_its_signer_may_do(
    stage: LocalStage, caller: Caller
) -> None:
    credentials = httpx.get(f"{stage.aws_endpoint_url}/v2/credentials/caller").json()
    session = boto3.Session(
        credentials["AccessKeyId"],
        credentials["SecretAccessKey"],
        credentials["Token"],
        region_name=stage.region,
    )
    s3 = session.client("s3", endpoint_url=stage.aws_endpoint_url, config=CONFIG)

    def got(key: str) -> int:
        asked = {"Bucket": BOUND, "Key": key}
        return httpx.get(s3.generate_presigned_url("get_object", Params=asked)).status_code

    assert got("own/there") == 200
    assert got("other") == 403
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(Bucket=BOUND, Key="own/there", Body=b"")
