"""Requests and tasks on the laptop: the actions, resources and condition keys that they are."""

import json
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from serval_cli.local.launcher.iam.actions import Actions, Tokens
from serval_cli.local.launcher.iam.item_keys import batch_keys, request_keys
from serval_cli.local.launcher.iam.requests import Requests, shared_value
from serval_cli.local.launcher.iam.tasks import Tasks
from serval_cli.local.launcher.patches.delivery_rights import route_arn

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
    assert shared_value(iter(["serval", "serval"])) == "serval"
    assert shared_value(iter(["serval", "aws.s3"])) == ["aws.s3", "serval"]


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


@dataclass
class Read:
    """What the emulator reads from a request."""

    action: str = ""
    resource: str = ""

    def extract_iam_action(self, *request: Any) -> str:
        return self.action

    def extract_resource_arn(self, *request: Any) -> str:
        return self.resource


def request(
    read: Read, service: str, path: str = "/", target: str = "", **asked: str
) -> tuple[str | None, str]:
    tokens = Tokens()
    tokens.note("known", "arn:machine")
    emulator: Any = SimpleNamespace(iam_actions=read)
    actions = Actions(emulator, tokens)
    body = json.dumps(asked).encode()
    given: Any = service, "POST", path, {"x-amz-target": target}, body, {}
    return actions.action(*given), actions.resource(*given, "us-east-1", "1")


@pytest.mark.parametrize(
    ("action", "single"),
    [
        ("sqs:SendMessageBatch", "sqs:SendMessage"),
        ("sqs:DeleteMessageBatch", "sqs:DeleteMessage"),
        ("sqs:ChangeMessageVisibilityBatch", "sqs:ChangeMessageVisibility"),
        ("sqs:ReceiveMessage", "sqs:ReceiveMessage"),
    ],
)
def test_a_batch_of_messages_is_the_action_on_one(action: str, single: str) -> None:
    assert request(Read(action, "q"), "sqs") == (single, "q")


@pytest.mark.parametrize(
    ("names", "resource"),
    [
        (["/serval/local/shelf/a"], "/serval/local/shelf/a"),
        (["/serval/local/shelf/a", "/serval/local/shelf/b"], "/serval/local/shelf/*"),
        (["/serval/local/shelf/a", "/serval/local/other/a"], "/serval/local/*"),
    ],
)
def test_parameters_that_are_read_together_are_what_they_share(
    names: list[str], resource: str
) -> None:
    read = Read("ssm:GetParameters", "*")
    asked: Any = {"Names": names}
    found = request(read, "ssm", target="AmazonSSM.GetParameters", **asked)
    assert found == ("ssm:GetParameters", f"arn:aws:ssm:us-east-1:1:parameter{resource}")


def test_rules_of_the_default_bus_are_named_without_it() -> None:
    read = Read("events:EnableRule", "arn:aws:events:us-east-1:1:rule/default/tick")
    assert request(read, "events")[1] == "arn:aws:events:us-east-1:1:rule/tick"
    read = Read("events:EnableRule", "arn:aws:events:us-east-1:1:rule/own/tick")
    assert request(read, "events")[1] == "arn:aws:events:us-east-1:1:rule/own/tick"


@pytest.mark.parametrize(
    ("path", "asked", "action", "resource"),
    [
        ("/endpoints/e/invocations", {}, "sagemaker:InvokeEndpoint", "endpoint/e"),
        ("/endpoints/e/async-invocations", {}, "sagemaker:InvokeEndpointAsync", "endpoint/e"),
        ("/", {"EndpointName": "e"}, "sagemaker:Describe", "endpoint/e"),
        ("/", {"EndpointConfigName": "c"}, "sagemaker:Describe", "endpoint-config/c"),
    ],
)
def test_calls_of_sagemaker_are_about_an_endpoint_or_its_configuration(
    path: str, asked: dict[str, str], action: str, resource: str
) -> None:
    found = request(Read("sagemaker:Describe"), "sagemaker", path, **asked)
    assert found == (action, f"arn:aws:sagemaker:us-east-1:1:{resource}")


def test_an_answer_to_a_task_is_about_the_machine_that_waits_for_it() -> None:
    read, target = Read("states:SendTaskSuccess", "*"), "AWSStepFunctions.SendTaskSuccess"
    assert request(read, "states", target=target, taskToken="known") == (
        "states:SendTaskSuccess",
        "arn:machine",
    )
    # Not checked: the emulator refuses a token of no task by itself.
    assert request(read, "states", target=target, taskToken="gone") == (None, "*")


@pytest.mark.parametrize(
    ("route", "named"),
    [
        ("$default", "/$default"),
        ("GET /v2", "/GET/v2"),
        ("POST /v2/models/{model}/infer", "/POST/v2/models/{model}/infer"),
    ],
)
def test_routes_are_named_as_functions_policies_have_them(route: str, named: str) -> None:
    assert route_arn(FUNCTION, "api", "$default", route) == (
        f"arn:aws:execute-api:us-east-1:123456789012:api/$default{named}"
    )
