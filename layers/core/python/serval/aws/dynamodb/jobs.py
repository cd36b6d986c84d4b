"""The jobs table in DynamoDB."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from boto3.dynamodb.conditions import Attr, Key

from serval.aws.dynamodb.tables import (
    describe_update,
    read_items,
    read_newest,
    write_if,
    write_item_if,
)
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
        """Write a new row; return False, and write nothing, if the id is taken."""
        item = job_attributes(job)
        return write_item_if(
            self.table.put_item, item, Item=item, ConditionExpression=Attr(JOB).not_exists()
        )

    def find(self, job_id: str) -> BatchJob | None:
        """Return a row, or None if there is none."""
        key = {JOB: job_id, SORT: JOB_SORT_KEY}
        answer = self.table.get_item(Key=key, ConsistentRead=True)
        return read_job(answer["Item"]) if "Item" in answer else None

    def save(self, before: BatchJob, after: BatchJob) -> bool:
        """Write the changes, with the next revision, if the row still has ``before``'s."""
        item = job_attributes(replace(after, revision=before.revision + 1))
        return write_item_if(
            self.table.update_item,
            item,
            Key={JOB: before.id, SORT: JOB_SORT_KEY},
            ConditionExpression=Attr("revision").eq(before.revision),
            **describe_update(job_attributes(before), item),
        )

    def of_model(self, model: str, limit: int) -> Sequence[BatchJob]:
        """List a model's jobs, newest first, from the index."""
        return [read_job(item) for item in read_newest(self.table, BY_MODEL, model, limit)]

    def shard(self, job_id: str, index: int) -> ShardRecord | None:
        """Return what a shard has done; None if it has not begun."""
        key = {JOB: job_id, SORT: shard_sort_key(index)}
        answer = self.table.get_item(Key=key, ConsistentRead=True)
        return read_shard(answer["Item"]) if "Item" in answer else None

    def shards(self, job_id: str) -> Iterator[ShardRecord]:
        """List the shards that have begun, in order."""
        found = read_items(
            self.table.query,
            KeyConditionExpression=Key(JOB).eq(job_id) & Key(SORT).begins_with(SHARD),
            ConsistentRead=True,
        )
        return map(read_shard, found)

    def record(self, record: ShardRecord) -> bool:
        """Write what a shard has done; return False, and write nothing, if it was done before."""
        return write_if(
            self.table.put_item,
            Item=shard_attributes(record),
            ConditionExpression=Attr(JOB).not_exists() | Attr("status").ne("done"),
        )
