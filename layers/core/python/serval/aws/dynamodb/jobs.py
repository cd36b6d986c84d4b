"""The jobs table in DynamoDB."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from boto3.dynamodb.conditions import Attr, Key

from serval.aws.dynamodb.tables import changes, happened, items, landed
from serval.batch.job.job import (
    BY_MODEL,
    JOB,
    JOB_SORT_KEY,
    SHARD,
    SORT,
    BatchJob,
    ShardRecord,
    job_attributes,
    read_job,
    read_shard,
    shard_attributes,
    shard_sort_key,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table


@dataclass(frozen=True, slots=True)
class JobTable:
    """``JobStore`` in DynamoDB."""

    table: "Table"

    def create(self, job: BatchJob) -> bool:
        """Write a new row; False when the id is taken, and nothing is written then."""
        item = job_attributes(job)
        return landed(
            self.table.put_item, item, Item=item, ConditionExpression=Attr(JOB).not_exists()
        )

    def find(self, job_id: str) -> BatchJob | None:
        """Give a row; None if there is none."""
        key = {JOB: job_id, SORT: JOB_SORT_KEY}
        answer = self.table.get_item(Key=key, ConsistentRead=True)
        return read_job(answer["Item"]) if "Item" in answer else None

    def save(self, before: BatchJob, after: BatchJob) -> bool:
        """Write what changed, with the next revision, if the row still has ``before``'s."""
        item = job_attributes(replace(after, revision=before.revision + 1))
        return landed(
            self.table.update_item,
            item,
            Key={JOB: before.id, SORT: JOB_SORT_KEY},
            ConditionExpression=Attr("revision").eq(before.revision),
            **changes(job_attributes(before), item),
        )

    def of_model(self, model: str, limit: int) -> Sequence[BatchJob]:
        """List a model's jobs, newest first, from the index."""
        found = items(
            self.table.query,
            IndexName=BY_MODEL,
            KeyConditionExpression=Key("model").eq(model),
            ScanIndexForward=False,
            Limit=limit,
        )
        return [read_job(item) for item in islice(found, limit)]

    def shard(self, job_id: str, index: int) -> ShardRecord | None:
        """Give what a shard has done; None if it has not begun."""
        key = {JOB: job_id, SORT: shard_sort_key(index)}
        answer = self.table.get_item(Key=key, ConsistentRead=True)
        return read_shard(answer["Item"]) if "Item" in answer else None

    def shards(self, job_id: str) -> Iterator[ShardRecord]:
        """List the shards that have begun, in order."""
        found = items(
            self.table.query,
            KeyConditionExpression=Key(JOB).eq(job_id) & Key(SORT).begins_with(SHARD),
            ConsistentRead=True,
        )
        return map(read_shard, found)

    def record(self, record: ShardRecord) -> bool:
        """Write what a shard has done; False when it was done before, and nothing is written."""
        return happened(
            self.table.put_item,
            Item=shard_attributes(record),
            ConditionExpression=Attr(JOB).not_exists() | Attr("status").ne("done"),
        )
