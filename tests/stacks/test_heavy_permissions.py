"""What the functions of heavy models, their workers and their endpoints may do: all of it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

import pytest

from serval.batch.job.job import claimed_job_id, new_job_id
from serval.clock import timestamp
from serval.models.version import id_pattern, remove_tag
from serval.requests.ids import new_request_id, row_id
from serval.requests.request import request_key, response_key, upload_key
from tests.stacks.rights import OF_EVERY_FUNCTION, rights, union
from tests.stacks.synthesis import Synthesised

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MODELS = ("seen", "heard", "told", "drawn", "sorted", "meant")
SPOT = ("gpu", "served", "inferentia", "plain")


def queues(*models: str) -> set[str]:
    return {f"serval-prod-{model}" for model in models}


def dead(*models: str) -> set[str]:
    return {f"serval-prod-{model}-dead" for model in models}


def candidates(*models: str) -> set[str]:
    return {f"serval-prod-{model}-candidate" for model in models}


def shards(*fleets: str) -> set[str]:
    return {f"serval-prod-{fleet}-shards" for fleet in fleets}


def sending(to: set[str]) -> dict[str, set[str]]:
    return {"sqs:GetQueueUrl": to, "sqs:SendMessage": to}


def taking(of: set[str]) -> dict[str, set[str]]:
    return {
        "sqs:ChangeMessageVisibility": of,
        "sqs:DeleteMessage": of,
        "sqs:GetQueueUrl": of,
        "sqs:ReceiveMessage": of,
    }


OWN_IMAGES = "cdk-hnb659fds-container-assets-${AWS::AccountId}-${AWS::Region}"
CALLBACKS = {"serval-prod-callbacks"}
CALLING_BACK = sending(CALLBACKS)
LIGHT = {"serval-prod-light-requests"}
DEAD_LIGHT = {"serval-prod-light-requests-dead"}
LISTING_MODELS = {"dynamodb:Query": {"MODELS"}}
ROWS = {"dynamodb:GetItem": {"FLEET#*"}, "dynamodb:UpdateItem": {"FLEET#*"}}
SERVICES = {f"service/serval-prod-{fleet}/serval-prod-{fleet}" for fleet in SPOT}
MACHINES = {"ecs:DescribeServices": SERVICES, "ecs:UpdateService": SERVICES}
TICKS = {"rule/serval-prod-tick"}
ASKING = {"lambda:InvokeFunction": {"dispatch"}}
WAKING = union(ROWS, MACHINES, {"events:EnableRule": TICKS}, ASKING)
READING_KEYS = {
    "dynamodb:BatchGetItem": {"KEY#*", "MODEL#*"},
    "dynamodb:UpdateItem": {"KEY#* (last_used)"},
}
ROUTES = {"dynamodb:GetItem": {"MODEL#*"}}
CHANGING = {"dynamodb:GetItem": {"requests"}, "dynamodb:UpdateItem": {"requests"}}
WORKING = union(CHANGING, {"dynamodb:BatchGetItem": {"requests"}})
LISTING = {"dynamodb:Query": {"requests/index/by_state"}}
MISSING = {"s3:ListBucket": {"data"}}
"""An object that is not there is 404 and not 403."""
LOOKING = union({"s3:GetObject": {"data/async-out/*"}}, MISSING)
READING = union({"s3:GetObject": {"data/async/*"}}, LOOKING)
PLACES = "WAITING"
PIPELINES = {"stateMachine:serval-prod-pipelines"}
MAKING = union(
    READING_KEYS,
    {"dynamodb:UpdateItem": {"KEY#* (count, expires)", PLACES}},
    {"dynamodb:PutItem": {"requests"}, "dynamodb:GetItem": {"requests"}},
    READING,
    {"s3:PutObject": {"data/async/*"}},
    sending(queues(*MODELS)),
    WAKING,
)
COMPLETING = union(
    CHANGING, LOOKING, ROUTES, ROWS, sending(queues("meant") | dead("meant")), CALLING_BACK, ASKING
)
RIGHTS = {
    "submit": union(MAKING, WORKING, LISTING_MODELS, sending(LIGHT)),
    "answer": union(
        WORKING,
        ROUTES,
        {"s3:GetObject": {"models/*", "data/async/*"}, "s3:PutObject": {"data/async/*"}},
        MISSING,
        CALLING_BACK,
        taking(LIGHT),
        {"sqs:GetQueueAttributes": LIGHT},
        sending(DEAD_LIGHT),
        {"dynamodb:PutItem": {"streams"}, "dynamodb:Query": {"streams"}},
        {"states:StartExecution": PIPELINES},
    ),
    "proceed": union(
        WORKING,
        {"dynamodb:PutItem": {"requests"}},
        ROUTES,
        {"s3:GetObject": {"models/*", "data/async/*"}, "s3:PutObject": {"data/async/*"}},
        {"s3:GetObject": {"data/cache/*"}, "s3:PutObject": {"data/cache/*"}},
        {"dynamodb:GetItem": {"answers"}, "dynamodb:PutItem": {"answers"}},
        LOOKING,
        sending(queues(*MODELS)),
        sending(LIGHT),
        CALLING_BACK,
        WAKING,
    ),
    "wait": union(MAKING, {"dynamodb:PutItem": {"TICKET#*"}}, sending(LIGHT)),
    "stream": union(
        MAKING,
        CHANGING,
        {"dynamodb:Query": {"streams", "MODELS"}, "dynamodb:DeleteItem": {"TICKET#*"}},
        {"s3:GetObject": {"models/*"}},
        CALLING_BACK,
    ),
    "requests": union(
        READING_KEYS,
        WORKING,
        {"dynamodb:Query": {"requests/index/by_model", "streams", "MODELS"}},
        {"dynamodb:UpdateItem": {PLACES}, "dynamodb:PutItem": {"TICKET#*"}},
        READING,
        CALLING_BACK,
    ),
    "callback": union(
        CHANGING,
        {"dynamodb:GetItem": {"KEY#*"}},
        ROUTES,
        READING,
        {"s3:PutObject": {"data/async/out/*"}},
        taking(CALLBACKS),
        {"sqs:GetQueueAttributes": CALLBACKS},
        {"states:SendTaskSuccess": PIPELINES},
    ),
    "tick": union(
        WAKING,
        {"events:DisableRule": TICKS},
        LISTING,
        {"dynamodb:GetItem": {"jobs"}, "dynamodb:Query": {"jobs", "FLEET#*"}},
        ROUTES,
    ),
    "sweep": union(WAKING, COMPLETING, LISTING, WORKING, sending(queues(*MODELS)), sending(LIGHT)),
    "fallback": union(ROWS, MACHINES),
    "dispatch": union(
        WORKING,
        ROUTES,
        ROWS,
        taking(queues("meant")),
        sending(queues("meant") | dead("meant")),
        CALLING_BACK,
        {
            "sagemaker:DescribeEndpoint": {"endpoint/serval-prod-managed"},
            "sagemaker:InvokeEndpointAsync": {"endpoint/serval-prod-managed"},
        },
    ),
    "complete": COMPLETING,
}


OF_THE_MACHINE = {"stateMachine:serval-prod-batch", "stateMachine:serval-prod-batch/*"}
ANSWERING = {
    "states:SendTaskFailure": OF_THE_MACHINE,
    "states:SendTaskHeartbeat": OF_THE_MACHINE,
    "states:SendTaskSuccess": OF_THE_MACHINE,
}
"""What ends a shard of a batch job."""
ON_FILES = (
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:PutObject",
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
)
BEFORE_TAGS = ("?" * 40, "?" * 44)
"""Ids that an earlier Serval gave requests."""
ON_JOBS = ("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem")
ON_STREAMS = ("dynamodb:PutItem", "dynamodb:Query")


def rows(table: str, earlier: Sequence[str], models: Sequence[str]) -> set[str]:
    """Return the patterns of models' rows in a table, by the ids they match."""
    return {f"{table}/{ids}" for ids in (*map(id_pattern, models), *earlier)}


def bodies(*models: str) -> set[str]:
    """Return the patterns of models' requests and results."""
    tagged = {f"data/async/{id_pattern(model)}" for model in models}
    return tagged | {f"data/async/{ids}/*" for ids in BEFORE_TAGS}


@pytest.mark.parametrize("name", RIGHTS)
def test_a_function_has_the_rights_that_it_needs_and_no_others(
    heavy: Synthesised, name: str
) -> None:
    assert rights(heavy, heavy.statements(name)) == union(OF_EVERY_FUNCTION, RIGHTS[name])


@pytest.mark.parametrize("name", RIGHTS)
def test_a_stage_without_fleets_gives_no_rights_to_any(prod: Synthesised, name: str) -> None:
    services = {action.split(":")[0] for action in rights(prod, prod.statements(name))}
    assert not services & {"ecs", "sagemaker", "lambda", "events"}


@pytest.mark.parametrize(
    ("fleet", "models", "paired"),
    [
        ("gpu", ("seen", "heard"), ()),
        ("served", ("told",), ()),
        ("inferentia", ("drawn",), ("drawn",)),
    ],
)
def test_a_worker_knows_its_own_fleets_models_and_no_others(
    heavy: Synthesised, fleet: str, models: tuple[str, ...], paired: tuple[str, ...]
) -> None:
    granted = rights(heavy, heavy.statements_of(task(heavy, fleet)["TaskRoleArn"]))
    tasks = {f"task/serval-prod-{fleet}/*"}
    assert granted == union(
        taking(queues(*models)),
        sending(dead(*models)),
        sending(queues(*paired)) if paired else {},
        taking(candidates(*paired)) if paired else {},
        sending(candidates(*paired)) if paired else {},
        CALLING_BACK,
        {action: rows("requests", BEFORE_TAGS, models) for action in WORKING},
        {action: rows("jobs", ("?" * 28,), models) for action in ON_JOBS},
        {action: rows("streams", (), models) for action in ON_STREAMS},
        MISSING,
        {
            "dynamodb:GetItem": {f"FLEET#{fleet}", *(f"MODEL#{model}" for model in models)},
            "dynamodb:PutItem": {f"FLEET#{fleet}"},
            "dynamodb:DeleteItem": {f"FLEET#{fleet}"},
            "s3:GetObject": {f"models/{model}/*" for model in models},
        },
        {action: bodies(*models) for action in ("s3:GetObject", "s3:PutObject")},
        ANSWERING,
        {action: {f"data/batch/{model}/*" for model in models} for action in ON_FILES},
        taking(shards(fleet)),
        sending(shards(fleet)),
        {"events:PutEvents": {"the bus, as serval serval.detection"}},
        {"ecs:UpdateTaskProtection": tasks},
    )


def test_a_worker_may_touch_requests_bodies_and_jobs_of_its_models_alone(
    heavy: Synthesised,
) -> None:
    granted = rights(heavy, heavy.statements_of(task(heavy, "gpu")["TaskRoleArn"]))

    def may(action: str, resource: str) -> bool:
        return any(fnmatchcase(resource, pattern) for pattern in granted[action])

    for model, own in (("seen", True), ("heard", True), ("told", False), ("meant", False)):
        for row in (new_request_id(NOON, model), row_id(model, "order-1")):
            assert may("dynamodb:BatchGetItem", f"requests/{row}") is own
            assert may("dynamodb:GetItem", f"requests/{row}") is own
            assert may("dynamodb:UpdateItem", f"requests/{row}") is own
            assert may("dynamodb:PutItem", f"streams/{row}") is own
            assert may("dynamodb:Query", f"streams/{row}") is own
            assert may("dynamodb:GetItem", f"requests/{remove_tag(row)}")
            for key in (request_key(row), response_key(row, 1), upload_key(row, "k" * 64)):
                assert may("s3:GetObject", f"data/{key}") is own
                assert may("s3:PutObject", f"data/{key}") is own
                assert may("s3:GetObject", f"data/{key.replace(row, remove_tag(row))}")
        for job in (new_job_id(NOON, model), claimed_job_id(model, timestamp(NOON), "bucket")):
            assert may("dynamodb:GetItem", f"jobs/{job}") is own
            assert may("dynamodb:PutItem", f"jobs/{job}") is own
            assert may("dynamodb:GetItem", f"jobs/{remove_tag(job)}")


def test_a_laptops_worker_has_the_rights_of_a_machines(
    heavy: Synthesised, heavy_laptop: Synthesised
) -> None:
    told = heavy_laptop.templates["fleets"]["Outputs"]["WorkerRoles"]["Value"]["Fn::Join"][1]
    roles = {fleet.split('"')[-3]: role for fleet, role in zip(told[::2], told[1::2], strict=False)}
    assert roles.keys() == set(SPOT)
    for fleet, role in roles.items():
        on_laptop = rights(
            heavy_laptop, heavy_laptop.statements_of({"Fn::GetAtt": [role["Ref"], "Arn"]})
        )
        on_machine = rights(heavy, heavy.statements_of(task(heavy, fleet)["TaskRoleArn"]))
        named = {
            action: {name.replace("serval-local", "serval-prod") for name in on}
            for action, on in on_laptop.items()
        }
        assert named == on_machine


def test_a_machine_may_be_part_of_its_fleets_cluster_and_no_more(heavy: Synthesised) -> None:
    profiles = {str(each["Roles"]) for each in heavy.properties("AWS::IAM::InstanceProfile")}
    resources = heavy.templates["fleets"]["Resources"]
    roles = [name for name in resources if any(repr(name) in each for each in profiles)]
    assert len(roles) == len(profiles) == len(SPOT)
    seen = set()
    for role in roles:
        granted = rights(heavy, heavy.statements_of({"Fn::GetAtt": [role, "Arn"]}))
        assert granted.pop("ecs:DiscoverPollEndpoint") == {"*"}
        (instances,) = granted["ecs:UpdateContainerInstancesState"]
        cluster = instances.removeprefix("container-instance/").removesuffix("/*")
        assert set.union(*granted.values()) == {f"cluster/{cluster}", instances}
        seen.add(cluster)
    assert seen == {f"serval-prod-{fleet}" for fleet in SPOT}


def test_what_starts_a_task_may_pull_its_images_and_write_its_log(heavy: Synthesised) -> None:
    granted = rights(heavy, heavy.statements_of(task(heavy, "served")["ExecutionRoleArn"]))
    assert granted.pop("ecr:GetAuthorizationToken") == {"*"}
    assert granted.pop("logs:PutLogEvents") == granted.pop("logs:CreateLogStream") == {"its log"}
    assert granted.keys() == {
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
    }
    assert granted["ecr:BatchGetImage"] == {OWN_IMAGES, "*:repository/sagemaker-tritonserver"}


def test_an_endpoint_reads_its_models_and_does_what_async_inference_needs(
    heavy: Synthesised,
) -> None:
    (model,) = heavy.properties("AWS::SageMaker::Model")
    granted = rights(heavy, heavy.statements_of(model["ExecutionRoleArn"]))
    pulls = {action for action in granted if action.startswith("ecr:")}
    assert set.union(*(granted[action] for action in pulls)) == {"*", OWN_IMAGES}
    log = {"log-group:/aws/sagemaker/Endpoints/serval-prod-managed:*"}
    assert {action: on for action, on in granted.items() if action not in pulls} == {
        "s3:GetObject": {"models/meant/*"} | bodies("meant"),
        "s3:PutObject": {"data/async-out/*"},
        "s3:AbortMultipartUpload": {"data/async-out/*"},
        "sns:Publish": {"serval-prod-endpoints-success", "serval-prod-endpoints-error"},
        "cloudwatch:PutMetricData": {"*"},
        "logs:CreateLogStream": log,
        "logs:DescribeLogStreams": log,
        "logs:PutLogEvents": log,
    }


def test_only_what_its_rule_or_topic_calls_may_be_called_so(heavy: Synthesised) -> None:
    callers: dict[str, set[str]] = {}
    for permission in heavy.properties("AWS::Lambda::Permission"):
        function = heavy.function_name(permission["FunctionName"])
        callers.setdefault(function, set()).add(permission["Principal"].split(".")[0])
    named = {name: callers.get(name, set()) for name in RIGHTS}
    assert named == {
        "submit": {"apigateway"},
        "requests": {"apigateway"},
        "wait": {"apigateway"},
        "answer": set(),
        "proceed": set(),
        "callback": set(),
        "dispatch": set(),
        "complete": {"sns"},
        "tick": {"events"},
        "sweep": {"events"},
        "fallback": {"events"},
        # Its URL is open to all, as API Gateway is: it asks for a key or a ticket itself.
        "stream": {"*"},
    }


def task(stage: Synthesised, fleet: str) -> dict[str, Any]:
    (found,) = [
        dict(each)
        for each in stage.properties("AWS::ECS::TaskDefinition")
        for variable in each["ContainerDefinitions"][0]["Environment"]
        if variable == {"Name": "FLEET", "Value": fleet}
    ]
    return found
