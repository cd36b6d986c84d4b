"""The requests table: every async request, its state and where its result lies."""

from collections.abc import Sequence

from aws_cdk.aws_dynamodb import (
    Attribute,
    AttributeType,
    BillingMode,
    PointInTimeRecoverySpecification,
    ProjectionType,
    Table,
    TableEncryption,
)
from constructs import Construct

from serval.models.tag import ids_of
from serval.requests.ids import EARLIER_LENGTHS
from serval.requests.table import (
    BY_MODEL,
    BY_MODEL_HAS,
    BY_MODEL_KEYS,
    BY_STATE,
    BY_STATE_HAS,
    BY_STATE_KEYS,
    EXPIRES,
    ID,
)
from stacks.stage.grants import Granted, partitions
from stacks.stage.stage import Stage

INDEXES = (
    (BY_MODEL, BY_MODEL_KEYS, BY_MODEL_HAS),
    (BY_STATE, BY_STATE_KEYS, BY_STATE_HAS),
)
EARLIER = ["?" * length for length in EARLIER_LENGTHS]
"""Patterns of the ids that an earlier Serval made: nothing says which model they are of."""


class RequestsTable(Construct):
    """One table, on demand, with point-in-time recovery; rows expire after they have finished."""

    def __init__(self, scope: Construct, id_: str, *, stage: Stage) -> None:
        super().__init__(scope, id_)
        self.table = Table(
            self,
            "Requests",
            partition_key=text(ID),
            billing_mode=BillingMode.PAY_PER_REQUEST,
            # As for the registry: the key that DynamoDB owns costs nothing.
            encryption=TableEncryption.DEFAULT,
            point_in_time_recovery_specification=PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            time_to_live_attribute=EXPIRES,
            removal_policy=stage.removal_policy,
        )
        for name, (partition, sort), attributes in INDEXES:
            self.table.add_global_secondary_index(
                index_name=name,
                partition_key=text(partition),
                sort_key=text(sort),
                projection_type=ProjectionType.INCLUDE,
                non_key_attributes=list(attributes),
            )

    def grant_read(self, granted: Granted) -> None:
        """Let it read rows whose ids it knows."""
        granted.allow(["dynamodb:GetItem"], [self.table.table_arn])

    def grant_change(self, granted: Granted) -> None:
        """Let it read rows and change what becomes of them."""
        granted.allow(["dynamodb:GetItem", "dynamodb:UpdateItem"], [self.table.table_arn])

    def grant_create(self, granted: Granted) -> None:
        """Let it write new rows."""
        granted.allow(["dynamodb:PutItem"], [self.table.table_arn])

    def grant_work(self, granted: Granted) -> None:
        """Let it read many rows at once and change what becomes of them."""
        self.grant_change(granted)
        granted.allow(["dynamodb:BatchGetItem"], [self.table.table_arn])

    def grant_work_of(self, granted: Granted, models: Sequence[str]) -> None:
        """Let a worker do so with the rows of its models, and nobody else's."""
        granted.allow(
            ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:UpdateItem"],
            [self.table.table_arn],
            partitions(*map(ids_of, models), *EARLIER),
        )

    def grant_list(self, granted: Granted) -> None:
        """Let it list the requests of a model."""
        granted.allow(["dynamodb:Query"], [f"{self.table.table_arn}/index/{BY_MODEL}"])

    def grant_list_open(self, granted: Granted) -> None:
        """Let it list the open requests of the stage."""
        granted.allow(["dynamodb:Query"], [f"{self.table.table_arn}/index/{BY_STATE}"])


def text(name: str) -> Attribute:
    """Give an attribute that holds text."""
    return Attribute(name=name, type=AttributeType.STRING)
