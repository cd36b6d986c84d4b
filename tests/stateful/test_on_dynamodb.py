"""The machines over the emulator's DynamoDB: Serval's own adapters, with their real conditions."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis.stateful import run_state_machine_as_test

from serval.aws.dynamodb.claims import DynamoDBClaims
from serval.aws.dynamodb.registry import DynamoDBRegistry
from serval_cli.local.aws_client import CONFIG, create_session
from tests.fakes.emulator import emulator
from tests.fakes.tables import create_registry_table, create_requests_table
from tests.stateful.extent import extent
from tests.stateful.request_machine import RequestMachine
from tests.stateful.request_stage import Table
from tests.stateful.rollout_machine import RolloutMachine

NUMBERS = count(1)
"""Of tables: each example has its own."""


@pytest.fixture(scope="module")
def dynamodb() -> Iterator[Any]:
    with emulator() as running:
        yield create_session().resource("dynamodb", endpoint_url=running.url, config=CONFIG)


def test_requests_keep_their_promises_on_dynamodb(dynamodb: Any) -> None:
    class OnDynamoDB(RequestMachine):
        # Every look at the table takes milliseconds: it is races that a table decides.
        work = work_all = put_and_run = put_and_begin = run_endpoint = lose_message = sweep = None
        settle_and_expire = pass_time = None

        def store(self) -> Any:
            return Table(create_requests_table(dynamodb, f"requests-{next(NUMBERS)}"))

    run_state_machine_as_test(OnDynamoDB, settings=extent(5, steps=12))


def test_rollouts_keep_their_promises_on_dynamodb(dynamodb: Any) -> None:
    class OnDynamoDB(RolloutMachine):
        most_uploads = 4

        def make_registry(self) -> Any:
            self.table = create_registry_table(dynamodb, f"registry-{next(NUMBERS)}")
            return DynamoDBRegistry(self.table)

        def make_claims(self) -> Any:
            return DynamoDBClaims(self.table, lambda: self.model.tick())

    run_state_machine_as_test(OnDynamoDB, settings=extent(3, steps=6))
