"""Permissions on the laptop: what requests and tasks need, and the report on what was used."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from serval_cli.local.launcher.iam.item_keys import batch_keys, request_keys
from serval_cli.local.launcher.iam.ledger import Grant, Ledger
from serval_cli.local.launcher.iam.report import Report
from serval_cli.local.launcher.iam.requests import Requests, one_of
from serval_cli.local.launcher.iam.sessions import Sessions
from serval_cli.local.launcher.iam.tasks import Tasks

MACHINES = "arn:aws:iam::123456789012:role/machine"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:plan"


def partition(table: str, index: str | None) -> str | None:
    return {("t", None): "pk", ("t", "by_model"): "model", ("u", None): "id"}.get((table, index))


@pytest.mark.parametrize(
    ("asked", "leading", "attributes"),
    [
        ({"Key": {"pk": {"S": "A#1"}, "sk": {"S": "x"}}}, ["A#1"], ["pk", "sk"]),
        ({"Item": {"pk": {"S": "A#1"}, "n": {"N": "2"}}}, ["A#1"], ["n", "pk"]),
        (
            {
                "Key": {"pk": {"S": "A#1"}},
                "UpdateExpression": "SET #d = :now, times = if_not_exists(times, :no) + :one",
                "ConditionExpression": "attribute_exists(pk) AND NOT done.at = :now",
                "ExpressionAttributeNames": {"#d": "last_used"},
                "ExpressionAttributeValues": {":now": {"S": "x"}, ":no": {"N": "0"}},
            },
            ["A#1"],
            ["done", "last_used", "pk", "times"],
        ),
        (
            {
                "KeyConditionExpression": "#p = :p AND begins_with(sk, :s)",
                "ExpressionAttributeNames": {"#p": "pk"},
                "ExpressionAttributeValues": {":p": {"S": "A#1"}, ":s": {"S": "x"}},
            },
            ["A#1"],
            ["pk", "sk"],
        ),
        (
            {
                "IndexName": "by_model",
                "KeyConditionExpression": "model = :m",
                "ExpressionAttributeValues": {":m": {"S": "iris"}},
            },
            ["iris"],
            ["model"],
        ),
    ],
)
def test_requests_name_their_partitions_and_attributes(
    asked: dict[str, Any], leading: list[str], attributes: list[str]
) -> None:
    assert request_keys({"TableName": "t", **asked}, partition) == {
        "dynamodb:LeadingKeys": leading,
        "dynamodb:Attributes": attributes,
    }


def test_a_scan_names_no_partition() -> None:
    assert request_keys({"TableName": "t"}, partition) == {}


def test_a_batch_has_the_keys_of_each_table() -> None:
    read = {"Keys": [{"pk": {"S": "A#1"}}, {"pk": {"S": "B#2"}}], "ProjectionExpression": "n"}
    write = [{"PutRequest": {"Item": {"id": {"S": "1"}}}}]
    found = batch_keys({"RequestItems": {"t": read, "u": write}}, partition)
    assert found == {
        "t": {"dynamodb:LeadingKeys": ["A#1", "B#2"], "dynamodb:Attributes": ["n", "pk"]},
        "u": {"dynamodb:LeadingKeys": ["1"], "dynamodb:Attributes": ["id"]},
    }


def test_each_item_of_a_transaction_has_its_own_keys() -> None:
    def checks(action: str, body: bytes, region: str, account: str) -> list[tuple[str, str]]:
        (item,) = json.loads(body)["TransactItems"]
        return [(f"dynamodb:{member}Item", asked["TableName"]) for member, asked in item.items()]

    schema = {"KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}]}
    emulator: Any = SimpleNamespace(
        dynamodb=SimpleNamespace(_tables={"t": schema}),
        iam_actions=SimpleNamespace(
            dynamodb_transaction_checks=checks,
            dynamodb_resource_arns=None,
            request_tag_context=None,
        ),
    )
    items = [
        {"Put": {"TableName": "t", "Item": {"pk": {"S": "A#1"}}}},
        {"Update": {"TableName": "t", "Key": {"pk": {"S": "B#2"}}}},
    ]
    body = json.dumps({"TransactItems": items}).encode()
    found = Requests(emulator).transaction("dynamodb:TransactWriteItems", body, "r", "1")
    assert [(action, arn.keys["dynamodb:LeadingKeys"]) for action, arn in found] == [
        ("dynamodb:PutItem", ["A#1"]),
        ("dynamodb:UpdateItem", ["B#2"]),
    ]


def test_events_of_several_sources_have_no_single_one() -> None:
    assert one_of(iter(["serval", "serval"])) == "serval"
    assert one_of(iter(["serval", "aws.s3"])) == ["aws.s3", "serval"]


@pytest.mark.parametrize(
    ("resource", "given", "action", "error"),
    [
        (FUNCTION, {}, "lambda:InvokeFunction", "Lambda.AWSLambdaException"),
        (
            "arn:aws:states:::lambda:invoke",
            {"FunctionName": FUNCTION},
            "lambda:InvokeFunction",
            "Lambda.AWSLambdaException",
        ),
        (
            "arn:aws:states:::lambda:invoke",
            {"FunctionName": "plan"},
            "lambda:InvokeFunction",
            "Lambda.AWSLambdaException",
        ),
        (
            "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            {"QueueUrl": "https://sqs/1/q"},
            "sqs:SendMessage",
            "Sqs.AccessDeniedException",
        ),
        (
            "arn:aws:states:::aws-sdk:dynamodb:updateItem",
            {"TableName": "t"},
            "dynamodb:UpdateItem",
            "DynamoDB.AccessDeniedException",
        ),
    ],
)
def test_tasks_need_what_their_states_name(
    resource: str, given: dict[str, Any], action: str, error: str
) -> None:
    def found(service: str, *request: Any) -> str:
        return f"{service} of {request[-1]}: {request[3].decode()}"

    needed = Tasks(found).needs(resource, given, MACHINES)
    on = FUNCTION
    if action != "lambda:InvokeFunction":
        on = f"{action.partition(':')[0]} of 123456789012: {json.dumps(given)}"
    assert needed == (action, on, error)


def test_the_report_tells_what_was_never_used_and_what_was_refused(tmp_path: Path) -> None:
    used, unused = Grant("s3:GetObject", "a/*"), Grant("s3:PutObject", "a/*", '{"if": 1}')
    ledger = Ledger()
    report = Report(tmp_path / "report.json", ledger, lambda prefix: {f"{prefix}r": [used, unused]})
    ledger.use("serval-r", [used])
    ledger.refuse("serval-r", "s3:DeleteObject", "a/b")
    ledger.refuse("serval-r", "s3:DeleteObject", "a/b")
    report.write()
    assert json.loads((tmp_path / "report.json").read_text()) == {
        "roles": {
            "serval-r": {
                "used": [{"action": "s3:GetObject", "resource": "a/*"}],
                "unused": [{"action": "s3:PutObject", "resource": "a/*", "condition": '{"if": 1}'}],
            }
        },
        "refused": [
            {"role": "serval-r", "action": "s3:DeleteObject", "resource": "a/b", "times": 2}
        ],
    }


def test_whoever_asks_again_gets_the_same_session_and_another_role_another() -> None:
    opened: dict[str, Any] = {}
    sessions = Sessions(SimpleNamespace(register_session=opened.__setitem__))
    first = sessions.environment("arn:aws:iam::1:role/a", "worker")
    assert sessions.environment("arn:aws:iam::1:role/a", "worker") == first
    other = sessions.environment("arn:aws:iam::1:role/b", "worker")
    assert other["AWS_ACCESS_KEY_ID"] != first["AWS_ACCESS_KEY_ID"]
    assert opened[other["AWS_ACCESS_KEY_ID"]]["Arn"] == "arn:aws:sts::1:assumed-role/b/worker"
    assert opened[first["AWS_ACCESS_KEY_ID"]]["SessionToken"] == first["AWS_SESSION_TOKEN"]
