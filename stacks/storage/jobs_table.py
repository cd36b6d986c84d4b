"""The jobs table: batch jobs and the progress of their shards."""

from collections.abc import Sequence

from aws_cdk.aws_dynamodb import (
    BillingMode,
    PointInTimeRecoverySpecification,
    ProjectionType,
    Table,
    TableEncryption,
)
from constructs import Construct

from serval.batch.job.job import BY_MODEL, BY_MODEL_KEYS, EARLIER_LENGTH, EXPIRES, JOB, SORT
from serval.models.version import id_pattern
from stacks.stage.grants import Granted, partitions
from stacks.stage.stage import Stage
from stacks.storage.attributes import text_attribute

EARLIER = "?" * EARLIER_LENGTH
"""Pattern of ids made by an earlier version of Serval, which do not name a model."""


WORK = ("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem")
"""Of a shard: it reads its job, records its progress, and stops a job that cannot succeed."""


class JobsTable(Construct):
    """One table, on demand, with point-in-time recovery; rows expire long after their job."""

    def __init__(self, scope: Construct, id_: str, *, stage: Stage) -> None:
        super().__init__(scope, id_)
        self.table = Table(
            self,
            "Jobs",
            partition_key=text_attribute(JOB),
            sort_key=text_attribute(SORT),
            billing_mode=BillingMode.PAY_PER_REQUEST,
            # As in the registry: the key that DynamoDB owns is free.
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
            partition_key=text_attribute(partition),
            sort_key=text_attribute(sort),
            projection_type=ProjectionType.ALL,
        )

    def grant_read(self, granted: Granted) -> None:
        """Grant reading rows by key."""
        self._allow(granted, "dynamodb:GetItem")

    def grant_create(self, granted: Granted) -> None:
        """Grant creating jobs."""
        self._allow(granted, "dynamodb:PutItem")

    def grant_change(self, granted: Granted) -> None:
        """Grant reading and updating jobs."""
        self._allow(granted, "dynamodb:GetItem", "dynamodb:UpdateItem")

    def grant_work(self, granted: Granted) -> None:
        """Grant reading and stopping jobs, and recording the progress of shards."""
        self._allow(granted, *WORK)

    def grant_work_of(self, granted: Granted, models: Sequence[str]) -> None:
        """Grant a worker the same for jobs of its own models only."""
        own = partitions(*map(id_pattern, models), EARLIER)
        granted.allow(WORK, [self.table.table_arn], own)

    def grant_list_shards(self, granted: Granted) -> None:
        """Grant listing the shards of a job."""
        self._allow(granted, "dynamodb:Query")

    def grant_list_jobs(self, granted: Granted) -> None:
        """Grant listing the jobs of a model."""
        granted.allow(["dynamodb:Query"], [f"{self.table.table_arn}/index/{BY_MODEL}"])

    def _allow(self, granted: Granted, *actions: str) -> None:
        granted.allow(actions, [self.table.table_arn])
