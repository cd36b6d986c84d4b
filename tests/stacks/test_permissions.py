"""What each role may do; every grant is named here."""

import json
from typing import Any

import pytest

from tests.stacks.synthesis import Synthesised, as_list

METRICS = {"cloudwatch:GetMetricData"}
EVALUATION = {"cloudwatch:DescribeAlarms", "cloudwatch:GetMetricStatistics"}


def actions(stage: Synthesised, name: str, service: str) -> set[str]:
    return {
        action
        for statement in stage.statements(name)
        for action in as_list(statement["Action"])
        if action.startswith(f"{service}:")
    }


def keys(stage: Synthesised, name: str, action: str) -> set[str]:
    """Return the ends of the resources that an S3 action is granted on."""
    return {
        json.dumps(resource).split('"/')[-1].rstrip('"]}')
        for statement in stage.statements(name)
        if action in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
    }


def with_action(stage: Synthesised, name: str, action: str) -> dict[str, Any]:
    (statement,) = [each for each in stage.statements(name) if action in as_list(each["Action"])]
    return dict(statement)


def test_every_action_is_spelt_out(prod: Synthesised) -> None:
    for name in prod.functions:
        for statement in prod.statements(name):
            assert statement["Effect"] == "Allow"
            assert not any("*" in action for action in as_list(statement["Action"]))


def test_only_what_knows_no_resources_is_granted_on_all(prod: Synthesised) -> None:
    allowed = {"describe": METRICS, "evaluate": EVALUATION}
    for name in prod.functions:
        on_all = [each for each in prod.statements(name) if "*" in as_list(each["Resource"])]
        granted = {action for statement in on_all for action in as_list(statement["Action"])}
        assert granted == allowed.get(name, set())


@pytest.mark.parametrize(
    ("name", "reads"),
    [
        ("infer", {"BatchGetItem", "GetItem", "PutItem"}),
        ("infer-heavier", {"BatchGetItem", "GetItem", "PutItem"}),
        ("describe", {"GetItem", "Query"}),
    ],
)
def test_what_answers_callers_writes_the_day_of_a_keys_use_and_tickets_and_answers(
    prod: Synthesised, name: str, reads: set[str]
) -> None:
    named = {f"dynamodb:{action}" for action in (*reads, "UpdateItem")}
    assert actions(prod, name, "dynamodb") == named
    assert with_action(prod, name, "dynamodb:UpdateItem")["Condition"] == {
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["KEY#*"]},
        "ForAllValues:StringEquals": {"dynamodb:Attributes": ["pk", "sk", "last_used"]},
        "Null": {"dynamodb:LeadingKeys": "false"},
    }


def test_the_function_that_streams_changes_no_more_than_requests_beside(prod: Synthesised) -> None:
    reading = {"BatchGetItem", "DeleteItem", "GetItem", "Query", "UpdateItem"}
    assert actions(prod, "stream", "dynamodb") == {f"dynamodb:{one}" for one in reading}
    assert actions(prod, "stream", "sqs") == actions(prod, "requests", "sqs")


@pytest.mark.parametrize(
    ("name", "action", "partitions"),
    [
        ("infer", "dynamodb:BatchGetItem", ["KEY#*", "MODEL#*"]),
        ("infer-heavier", "dynamodb:PutItem", ["heavier/*"]),
        ("stream", "dynamodb:BatchGetItem", ["KEY#*", "MODEL#*"]),
        ("stream", "dynamodb:DeleteItem", ["TICKET#*"]),
        ("infer-heavier", "dynamodb:BatchGetItem", ["KEY#*", "MODEL#heavier"]),
        ("describe", "dynamodb:GetItem", ["KEY#*", "MODEL#*"]),
        ("describe", "dynamodb:Query", ["MODELS", "MODEL#*"]),
    ],
)
def test_what_answers_callers_reads_keys_and_models_and_nothing_of_fleets(
    prod: Synthesised, name: str, action: str, partitions: list[str]
) -> None:
    condition = with_action(prod, name, action)["Condition"]
    assert condition["ForAllValues:StringLike"] == {"dynamodb:LeadingKeys": partitions}
    assert condition["Null"] == {"dynamodb:LeadingKeys": "false"}


def test_infer_reads_published_versions_and_kept_answers(prod: Synthesised) -> None:
    assert actions(prod, "infer", "s3") == {"s3:GetObject", "s3:PutObject", "s3:ListBucket"}
    assert keys(prod, "infer", "s3:GetObject") == {"models/*", "cache/*"}
    assert keys(prod, "infer", "s3:PutObject") == {"cache/*"}


def test_the_shared_function_writes_tickets_and_answers_and_no_more(prod: Synthesised) -> None:
    written = [
        statement
        for statement in prod.statements("infer")
        if "dynamodb:PutItem" in as_list(statement["Action"])
    ]
    tickets = [each for each in written if "Condition" in each]
    assert [each["Condition"]["ForAllValues:StringLike"] for each in tickets] == [
        {"dynamodb:LeadingKeys": ["TICKET#*"]}
    ]
    (answers,) = [each for each in written if "Condition" not in each]
    assert "Answers" in json.dumps(answers["Resource"])


def test_a_models_own_function_reads_that_model_alone(prod: Synthesised) -> None:
    found = keys(prod, "infer-heavier", "s3:GetObject")
    assert found == {"models/heavier/*", "cache/heavier/*"}
    assert keys(prod, "infer-heavier", "s3:PutObject") == {"cache/heavier/*"}


def test_describe_has_no_business_with_artifacts(prod: Synthesised) -> None:
    assert actions(prod, "describe", "s3") == set()
