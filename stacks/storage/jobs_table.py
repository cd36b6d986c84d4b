"""The jobs table: every batch job, and how far each of its shards is."""

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

from serval.batch.job.job import EARLIER_LENGTH
from serval.batch.job.rows import BY_MODEL, BY_MODEL_KEYS, EXPIRES, JOB, SORT
from serval.models.tag import ids_of
from stacks.stage.grants import Granted, partitions
from stacks.stage.stage import Stage

EARLIER = "?" * EARLIER_LENGTH
"""Pattern of the ids that an earlier Serval made: nothing says which model they are of."""


class JobsTable(Construct):
    """One table, on demand, with point-in-time recovery; rows expire long after their job."""

    def __init__(self, scope: Construct, id_: str, *, stage: Stage) -> None:
        super().__init__(scope, id_)
        self.table = Table(
            self,
            "Jobs",
            partition_key=text(JOB),
            sort_key=text(SORT),
            billing_mode=BillingMode.PAY_PER_REQUEST,
            # As for the registry: the key that DynamoDB owns costs nothing.
            encryption=TableEncryption.DEFAULT,
            point_in_time_recovery_specification=PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            time_to_live_attribute=EXPIRES,
            removal_policy=stage.removal_policy,
        )
        partition, sort = BY_MODEL_KEYS
        self.table.add_global_secondary_index(
            index_name=BY_MODEL,
            partition_key=text(partition),
            sort_key=text(sort),
            projection_type=ProjectionType.ALL,
        )

    def grant_read(self, granted: Granted) -> None:
        """Let it read rows whose keys it knows."""
        self._allow(granted, "dynamodb:GetItem")

    def grant_create(self, granted: Granted) -> None:
        """Let it write new jobs."""
        self._allow(granted, "dynamodb:PutItem")

    def grant_change(self, granted: Granted) -> None:
        """Let it read jobs and change what becomes of them."""
        self._allow(granted, "dynamodb:GetItem", "dynamodb:UpdateItem")

    def grant_work(self, granted: Granted) -> None:
        """Let it read jobs, and say how far a shard is."""
        self._allow(granted, "dynamodb:GetItem", "dynamodb:PutItem")

    def grant_work_of(self, granted: Granted, models: Sequence[str]) -> None:
        """Let a worker do so with the jobs of its models, and nobody else's."""
        granted.allow(
            ["dynamodb:GetItem", "dynamodb:PutItem"],
            [self.table.table_arn],
            partitions(*map(ids_of, models), EARLIER),
        )

    def grant_list_shards(self, granted: Granted) -> None:
        """Let it list the shards of a job."""
        self._allow(granted, "dynamodb:Query")

    def grant_list_jobs(self, granted: Granted) -> None:
        """Let it list the jobs of a model."""
        granted.allow(["dynamodb:Query"], [f"{self.table.table_arn}/index/{BY_MODEL}"])

    def _allow(self, granted: Granted, *actions: str) -> None:
        granted.allow(actions, [self.table.table_arn])


def text(name: str) -> Attribute:
    """Give an attribute that holds text."""
    return Attribute(name=name, type=AttributeType.STRING)
