"""The requests table: the state of async requests, and where their results lie."""

from collections.abc import Sequence

from aws_cdk.aws_dynamodb import (
    BillingMode,
    PointInTimeRecoverySpecification,
    ProjectionType,
    Table,
    TableEncryption,
)
from constructs import Construct

from serval.models.version import id_pattern
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
from stacks.storage.attributes import text_attribute

INDEXES = (
    (BY_MODEL, BY_MODEL_KEYS, BY_MODEL_HAS),
    (BY_STATE, BY_STATE_KEYS, BY_STATE_HAS),
)
EARLIER = ["?" * length for length in EARLIER_LENGTHS]
"""Patterns of ids made by earlier versions of Serval, which do not name a model."""


class RequestsTable(Construct):
    """One table, on demand, with point-in-time recovery; rows expire after they have finished."""

    def __init__(self, scope: Construct, id_: str, *, stage: Stage) -> None:
        super().__init__(scope, id_)
        self.table = Table(
            self,
            "Requests",
            partition_key=text_attribute(ID),
            billing_mode=BillingMode.PAY_PER_REQUEST,
            # As in the registry: the key that DynamoDB owns is free.
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
                partition_key=text_attribute(partition),
                sort_key=text_attribute(sort),
                projection_type=ProjectionType.INCLUDE,
                non_key_attributes=list(attributes),
            )

    def grant_read(self, granted: Granted) -> None:
        """Grant reading rows by id."""
        granted.allow(["dynamodb:GetItem"], [self.table.table_arn])

    def grant_change(self, granted: Granted) -> None:
        """Grant reading and updating rows."""
        granted.allow(["dynamodb:GetItem", "dynamodb:UpdateItem"], [self.table.table_arn])

    def grant_create(self, granted: Granted) -> None:
        """Grant creating rows."""
        granted.allow(["dynamodb:PutItem"], [self.table.table_arn])

    def grant_work(self, granted: Granted) -> None:
        """Grant reading many rows at once, and updating them."""
        self.grant_change(granted)
        granted.allow(["dynamodb:BatchGetItem"], [self.table.table_arn])

    def grant_work_of(self, granted: Granted, models: Sequence[str]) -> None:
        """Grant a worker the same for rows of its own models only."""
        granted.allow(
            ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:UpdateItem"],
            [self.table.table_arn],
            partitions(*map(id_pattern, models), *EARLIER),
        )

    def grant_list(self, granted: Granted) -> None:
        """Grant listing the requests of a model."""
        granted.allow(["dynamodb:Query"], [f"{self.table.table_arn}/index/{BY_MODEL}"])

    def grant_list_open(self, granted: Granted) -> None:
        """Grant listing the open requests of the stage."""
        granted.allow(["dynamodb:Query"], [f"{self.table.table_arn}/index/{BY_STATE}"])
