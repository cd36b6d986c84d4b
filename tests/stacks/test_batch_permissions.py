"""What the steps of a batch job, its machine and whatever starts it may do: all of it."""

import pytest

from tests.stacks.rights import OF_EVERY_FUNCTION, rights, union
from tests.stacks.synthesis import Synthesised
from tests.stacks.test_heavy_permissions import (
    CALLING_BACK,
    LIGHT,
    READING_KEYS,
    ROUTES,
    ROWS,
    SPOT,
    TICKS,
    WORKING,
    sending,
    shards,
)

FILES = {"data/batch/*"}
LISTED = {"s3:GetObject": FILES}
READING = LISTED | {"s3:GetObjectVersion": FILES, "s3:ListBucket": {"data"}}
WRITING = {"s3:PutObject": FILES}
WRITING_PARTS = WRITING | {"s3:AbortMultipartUpload": FILES}
DELETING = {"s3:DeleteObject": FILES}
LOOKING = {"dynamodb:GetItem": {"jobs"}}
CREATING = {"dynamodb:PutItem": {"jobs"}}
CHANGING = LOOKING | {"dynamodb:UpdateItem": {"jobs"}}
SHARDS = {"dynamodb:Query": {"jobs"}}
JOBS = {"dynamodb:Query": {"jobs/index/by_model"}}
ANNOUNCING = {"events:PutEvents": {"the bus, as serval"}}
DETECTING = {"events:PutEvents": {"the bus, as serval serval.detection"}}
REQUESTING = union(
    WORKING,
    {"dynamodb:PutItem": {"requests"}},
    {"s3:GetObject": {"data/async/*"}, "s3:PutObject": {"data/async/*"}},
    sending(LIGHT),
    CALLING_BACK,
)
"""What rows of durable pipelines need."""
MACHINE = "serval-prod-batch"
RIGHTS = {
    "accept": union(CREATING, CHANGING, ROUTES, READING, WRITING, DELETING, ANNOUNCING),
    "plan": union(CHANGING, SHARDS, JOBS, ROUTES, READING, WRITING, ANNOUNCING),
    "scan": union(LOOKING, READING, WRITING),
    "cut": union(CHANGING, SHARDS, READING, WRITING, ANNOUNCING),
    "shard": union(
        CREATING,
        CHANGING,
        ROUTES,
        {"s3:GetObject": {"models/*"}},
        READING,
        WRITING_PARTS,
        DELETING,
        DETECTING,
        REQUESTING,
    ),
    "assemble": union(CHANGING, SHARDS, READING, WRITING_PARTS, DELETING, ANNOUNCING),
    "finish": union(CHANGING, SHARDS, WRITING, ANNOUNCING),
    "batch": union(
        READING_KEYS,
        ROUTES,
        {"dynamodb:Query": {"MODELS"}},
        {"dynamodb:UpdateItem": {"KEY#* (count, expires)"}},
        CREATING,
        CHANGING,
        SHARDS,
        JOBS,
        READING,
        WRITING,
        ANNOUNCING,
        {
            "states:StartExecution": {MACHINE},
            "states:StopExecution": {f"execution:{MACHINE}:*"},
        },
    ),
}
CHILDREN = {f"execution:{MACHINE}{end}:*" for end in ("", "/Scan", "/Shards", "/Tasks")}
"""As AWS's own policy for such maps has them, and as their names are."""
STEPS = RIGHTS.keys() - {"batch"}


@pytest.mark.parametrize("name", RIGHTS)
def test_a_function_has_the_rights_that_it_needs_and_no_others(
    prod: Synthesised, name: str
) -> None:
    assert rights(prod, prod.statements(name)) == union(OF_EVERY_FUNCTION, RIGHTS[name])


@pytest.mark.parametrize("name", ["accept", "plan", "scan", "cut", "shard", "assemble", "batch"])
def test_only_the_files_of_batch_jobs_are_listed(prod: Synthesised, name: str) -> None:
    (listing,) = [
        statement for statement in prod.statements(name) if statement["Action"] == "s3:ListBucket"
    ]
    assert listing["Condition"] == {"StringLikeIfExists": {"s3:prefix": ["batch/*"]}}


def test_the_machine_calls_its_steps_and_runs_its_own_maps(prod: Synthesised) -> None:
    assert of_machine(prod) == {
        "lambda:InvokeFunction": set(STEPS),
        **LISTED,
        "states:StartExecution": {f"stateMachine:{MACHINE}"},
        "states:DescribeExecution": CHILDREN,
        "states:RedriveExecution": CHILDREN,
        "states:StopExecution": CHILDREN,
    }


def test_the_machine_may_ask_the_fleets_that_there_are(
    prod: Synthesised, heavy: Synthesised
) -> None:
    assert of_machine(heavy) == of_machine(prod) | {"sqs:SendMessage": shards(*SPOT)}


@pytest.mark.parametrize("name", ["plan", "cut"])
def test_what_lets_shards_run_may_say_so_to_the_fleets_that_there_are(
    heavy: Synthesised, name: str
) -> None:
    """It gives them no machines: the ticks do, which it switches on."""
    taking_on = union(ROWS, {"events:EnableRule": TICKS})
    granted = rights(heavy, heavy.statements(name))
    assert granted == union(OF_EVERY_FUNCTION, RIGHTS[name], taking_on)


def test_the_rule_may_start_this_machine_alone(prod: Synthesised) -> None:
    (target,) = prod.upload_rule("BatchJobs")["Targets"]
    granted = rights(prod, prod.statements_of(target["RoleArn"]))
    assert granted == {"states:StartExecution": {MACHINE}}


def test_the_clock_may_start_jobs_ask_for_versions_and_leave_what_it_cannot_deliver(
    scheduled: Synthesised,
) -> None:
    for schedule in scheduled.properties("AWS::Scheduler::Schedule"):
        role = schedule["Target"]["RoleArn"]
        assert rights(scheduled, scheduled.statements_of(role)) == {
            "states:StartExecution": {MACHINE},
            "events:PutEvents": {"the bus, as serval"},
            "sqs:SendMessage": {"serval-prod-schedules-dead"},
        }


def test_nobody_else_calls_a_step(prod: Synthesised) -> None:
    allowed = {
        prod.function_name(permission["FunctionName"])
        for permission in prod.properties("AWS::Lambda::Permission")
    }
    assert not allowed & set(STEPS)


def of_machine(stage: Synthesised) -> dict[str, set[str]]:
    machine = stage.machine("BatchJobs")["Properties"]
    granted = rights(stage, stage.statements_of(machine["RoleArn"]))
    return {action: on for action, on in granted.items() if action.split(":")[0] != "logs"}
