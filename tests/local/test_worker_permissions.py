"""A worker's credentials open requests, bodies and jobs of its fleet's models, and no others."""

import json
from typing import Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError

from serval.aws.dynamodb.requests import RequestTable
from serval.batch.job.job import new_job_id
from serval.clock import utc_now
from serval.models.version import remove_tag
from serval.requests.ids import new_request_id, row_id
from serval.requests.request import request_key
from serval_cli.local.aws_client import CONFIG, create_session
from tests.fakes.requests import async_request
from tests.local.conftest import LocalStage

OWN, OTHER = "light", "drowsy"
"""A model of fleet ``pair``, whose worker asks, and one of fleet ``sleepy``."""


class Worker:
    """Calls with the credentials of a worker of fleet ``pair``."""

    def __init__(self, stage: LocalStage) -> None:
        stacks = stage.client("cloudformation").describe_stacks()["Stacks"]
        self.outputs = {
            output["OutputKey"]: output["OutputValue"]
            for stack in stacks
            for output in stack.get("Outputs", ())
        }
        role = json.loads(self.outputs["WorkerRoles"])["pair"]
        credentials = httpx.get(f"{stage.aws_endpoint_url}/v2/credentials/{role}").json()
        self.url, self.bucket = stage.aws_endpoint_url, stage.data_bucket
        self.session = boto3.Session(
            credentials["AccessKeyId"],
            credentials["SecretAccessKey"],
            credentials["Token"],
            region_name=stage.region,
        )
        tables = stage.client("dynamodb").list_tables()["TableNames"]
        (self.requests,) = [name for name in tables if "Requests" in name]
        (self.jobs,) = [name for name in tables if "Jobs" in name]

    def may(self, service: Any, operation: str, **asked: Any) -> bool:
        client = self.session.client(service, endpoint_url=self.url, config=CONFIG)
        try:
            getattr(client, operation)(**asked)
        except ClientError as error:
            if error.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException"}:
                return False
            if error.response["Error"]["Code"] in {"NoSuchKey", "ConditionalCheckFailedException"}:
                return True
            raise
        return True


@pytest.fixture(scope="module")
def worker(stage: LocalStage) -> Worker:
    return Worker(stage)


def touches_rows(worker: Worker, *ids: str) -> set[bool]:
    """Tell which of all the ways to rows a worker may go."""
    keys = [{"id": {"S": each}} for each in ids]
    only = {"ConditionExpression": "revision = :none", "UpdateExpression": "SET revision = :none"}
    values = {":none": {"N": "-1"}}
    return {
        worker.may("dynamodb", "get_item", TableName=worker.requests, Key=keys[-1]),
        worker.may("dynamodb", "batch_get_item", RequestItems={worker.requests: {"Keys": keys}}),
        worker.may(
            "dynamodb",
            "update_item",
            TableName=worker.requests,
            Key=keys[-1],
            ExpressionAttributeValues=values,
            **only,
        ),
    }


def test_rows_of_another_fleet_s_requests_are_refused(worker: Worker) -> None:
    own, other = new_request_id(utc_now(), OWN), new_request_id(utc_now(), OTHER)
    assert touches_rows(worker, own, row_id(OWN, "order-1")) == {True}
    assert touches_rows(worker, own, other) == {False}
    assert touches_rows(worker, own, row_id(OTHER, "order-1")) == {False}


def test_a_row_of_another_fleet_takes_no_readable_row_with_it(worker: Worker) -> None:
    own = async_request(new_request_id(utc_now(), OWN), model=OWN, status="cancelled")
    resource = create_session().resource("dynamodb", endpoint_url=worker.url, config=CONFIG)
    assert RequestTable(resource.Table(worker.requests)).create(own)
    table = worker.session.resource("dynamodb", endpoint_url=worker.url, config=CONFIG)
    store = RequestTable(table.Table(worker.requests))
    assert list(store.find_all([row_id(OTHER, "order-1"), own.id, "no-form-of-ours"])) == [own.id]


def test_bodies_of_another_fleet_s_requests_are_refused(worker: Worker) -> None:
    for model, allowed in ((OWN, True), (OTHER, False)):
        for row in (new_request_id(utc_now(), model), row_id(model, "order-1")):
            where = {"Bucket": worker.bucket, "Key": request_key(row)}
            assert worker.may("s3", "put_object", Body=b"{}", **where) is allowed
            assert worker.may("s3", "get_object", **where) is allowed


def test_jobs_of_another_fleet_s_models_are_refused(worker: Worker) -> None:
    for model, allowed in ((OWN, True), (OTHER, False)):
        key = {"job": {"S": new_job_id(utc_now(), model)}, "sk": {"S": "SHARD#00000"}}
        assert worker.may("dynamodb", "get_item", TableName=worker.jobs, Key=key) is allowed
        missing = {"ConditionExpression": "attribute_exists(job)"}
        written = worker.may("dynamodb", "put_item", TableName=worker.jobs, Item=key, **missing)
        assert written is allowed


def test_what_has_no_tag_is_open_as_it_was(worker: Worker) -> None:
    earlier = remove_tag(new_request_id(utc_now(), OTHER))
    assert touches_rows(worker, earlier, remove_tag(row_id(OTHER, "order-1"))) == {True}
    where = {"Bucket": worker.bucket, "Key": request_key(earlier)}
    assert worker.may("s3", "get_object", **where)
