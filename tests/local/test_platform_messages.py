"""Queues, topics and rules of the embedded platform do what heavy models need of them."""

import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.local.conftest import LocalStage
from tests.local.own_functions import LOGS, role, sdk_layer, statement

STACK = "messages"
RECORDER = """
import json, os, boto3

sqs = boto3.client("sqs")

def url(name):
    return sqs.get_queue_url(QueueName=name)["QueueUrl"]

def handler(event, context):
    sqs.send_message(QueueUrl=url("recorded"), MessageBody=json.dumps(event))
    records = event["Records"] if event["Records"][0].get("eventSource") == "aws:sqs" else []
    failed = []
    for record in records:
        soon = json.loads(record["body"]).get("again_in")
        if soon is not None and record["attributes"]["ApproximateReceiveCount"] == "1":
            sqs.change_message_visibility(
                QueueUrl=url("asked"), ReceiptHandle=record["receiptHandle"], VisibilityTimeout=soon
            )
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}
"""


def queue(name: str, **properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": name, **properties}}


def attribute(resource: str, name: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [resource, name]}


def permission(service: str, source: dict[str, Any]) -> dict[str, Any]:
    return {
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "Action": "lambda:InvokeFunction",
            "FunctionName": "recorder",
            "Principal": f"{service}.amazonaws.com",
            "SourceArn": source,
        },
    }


RESOURCES = {
    "Recorded": queue("recorded"),
    "Dead": queue("asked-dead", MessageRetentionPeriod=1_209_600),
    "Asked": queue(
        "asked",
        VisibilityTimeout=120,
        RedrivePolicy={"deadLetterTargetArn": attribute("Dead", "Arn"), "maxReceiveCount": 50},
    ),
    "Mapping": {
        "Type": "AWS::Lambda::EventSourceMapping",
        "Properties": {
            "EventSourceArn": attribute("Asked", "Arn"),
            "FunctionName": "recorder",
            "BatchSize": 10,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
        },
    },
    "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "ended"}},
    "Subscription": {
        "Type": "AWS::SNS::Subscription",
        "Properties": {
            "TopicArn": {"Ref": "Topic"},
            "Protocol": "lambda",
            "Endpoint": "arn:aws:lambda:us-east-1:000000000000:function:recorder",
        },
    },
    "TopicPermission": permission("sns", {"Ref": "Topic"}),
    "MayBeSent": {
        "Type": "AWS::SQS::QueuePolicy",
        "Properties": {
            "Queues": [{"Ref": "Recorded"}],
            "PolicyDocument": {
                "Statement": {
                    "Effect": "Allow",
                    "Action": "sqs:SendMessage",
                    "Principal": {"Service": "events.amazonaws.com"},
                    "Resource": attribute("Recorded", "Arn"),
                }
            },
        },
    },
    "Rule": {
        "Type": "AWS::Events::Rule",
        "Properties": {
            "Name": "resting",
            "State": "DISABLED",
            "EventPattern": {"source": ["test"]},
            "Targets": [{"Id": "queue", "Arn": attribute("Recorded", "Arn")}],
        },
    },
}


@dataclass(frozen=True)
class Messages:
    """The stack, and what its function was invoked with."""

    stage: LocalStage

    @property
    def sqs(self) -> Any:
        return self.stage.client("sqs")

    def url(self, name: str) -> str:
        return str(self.sqs.get_queue_url(QueueName=name)["QueueUrl"])

    def attributes(self, name: str) -> dict[str, str]:
        found: dict[str, str] = self.sqs.get_queue_attributes(
            QueueUrl=self.url(name), AttributeNames=["All"]
        )["Attributes"]
        return found

    def send(self, *bodies: dict[str, Any]) -> None:
        entries = [
            {"Id": str(number), "MessageBody": json.dumps(body)}
            for number, body in enumerate(bodies)
        ]
        self.sqs.send_message_batch(QueueUrl=self.url("asked"), Entries=entries)

    def recorded(self, wait_seconds: int = 20) -> dict[str, Any] | None:
        """Take the next event that was recorded; None if there is none in time."""
        url = self.url("recorded")
        found = self.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=wait_seconds)
        for message in found.get("Messages", []):
            self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            event: dict[str, Any] = json.loads(message["Body"])
            return event
        return None


def zipped(text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("handler.py", text)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def messages(stage: LocalStage) -> Iterator[Messages]:
    cloudformation = stage.client("cloudformation")
    with role(stage, "recorder", statement([*LOGS, "sqs:*"])) as own:
        stage.client("lambda").create_function(
            FunctionName="recorder",
            Runtime="python3.13",
            Role=own,
            Handler="handler.handler",
            Code={"ZipFile": zipped(RECORDER)},
            Layers=[sdk_layer(stage)],
            Timeout=30,
        )
        template = json.dumps({"Resources": RESOURCES})
        cloudformation.create_stack(StackName=STACK, TemplateBody=template)
        cloudformation.get_waiter("stack_create_complete").wait(StackName=STACK)
        yield Messages(stage)
        cloudformation.delete_stack(StackName=STACK)
        cloudformation.get_waiter("stack_delete_complete").wait(StackName=STACK)
        stage.client("lambda").delete_function(FunctionName="recorder")


def eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline, "not within 300 s"
        time.sleep(0.05)


def test_queues_have_the_names_and_attributes_of_their_template(messages: Messages) -> None:
    assert messages.attributes("asked-dead")["MessageRetentionPeriod"] == "1209600"
    asked = messages.attributes("asked")
    assert asked["VisibilityTimeout"] == "120"
    redrive = json.loads(asked["RedrivePolicy"])
    assert redrive["deadLetterTargetArn"] == messages.attributes("asked-dead")["QueueArn"]
    assert int(redrive["maxReceiveCount"]) == 50


def test_a_message_that_a_function_reports_as_failed_comes_again_when_it_has_asked_for_it(
    messages: Messages,
) -> None:
    """The queue's own visibility timeout is two minutes."""
    messages.send({"well": True}, {"again_in": 1})
    came: list[dict[str, Any]] = []
    while came.count({"again_in": 1}) < 2 or {"well": True} not in came:
        event = messages.recorded()
        assert event is not None, came
        came += [json.loads(record["body"]) for record in event["Records"]]
    assert len(came) == 3
    eventually(lambda: messages.attributes("asked")["ApproximateNumberOfMessagesNotVisible"] == "0")
    assert messages.attributes("asked")["ApproximateNumberOfMessages"] == "0"


def test_a_topic_invokes_the_function_that_is_subscribed_to_it(messages: Messages) -> None:
    topic = "arn:aws:sns:us-east-1:000000000000:ended"
    messages.stage.client("sns").publish(TopicArn=topic, Message='{"inferenceId": "r1.1"}')
    event = messages.recorded()
    assert event is not None
    (record,) = event["Records"]
    assert record["EventSource"] == "aws:sns"
    assert json.loads(record["Sns"]["Message"]) == {"inferenceId": "r1.1"}


def test_a_rule_rests_until_it_is_enabled_and_again_when_it_is_disabled(
    messages: Messages,
) -> None:
    events = messages.stage.client("events")

    def put(detail: str) -> None:
        entry = {"Source": "test", "DetailType": "test", "Detail": json.dumps({"number": detail})}
        assert events.put_events(Entries=[entry])["FailedEntryCount"] == 0

    put("while it rests")
    events.enable_rule(Name="resting")
    put("while it is enabled")
    event = messages.recorded()
    assert event is not None
    assert event["detail"] == {"number": "while it is enabled"}
    events.disable_rule(Name="resting")
    put("while it rests again")
    assert messages.recorded(wait_seconds=1) is None
