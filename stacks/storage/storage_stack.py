"""The stack with the buckets and tables, which outlive every deploy."""

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk.aws_s3 import LifecycleRule
from constructs import Construct

from stacks.stage.stage import Stage
from stacks.storage.answers_table import AnswersTable
from stacks.storage.artifact_bucket import ArtifactBucket
from stacks.storage.data_bucket import DataBucket
from stacks.storage.jobs_table import JobsTable
from stacks.storage.private_bucket import PrivateBucket
from stacks.storage.registry_table import RegistryTable
from stacks.storage.requests_table import RequestsTable
from stacks.storage.streams_table import StreamsTable


class StorageStack(Stack):
    """The buckets and the tables; all are kept when the stack is deleted.

    Other stacks import them from strong exports (``defaultCrossStackReferences`` in cdk.json), so
    nothing in use can be removed.
    """

    def __init__(self, scope: Construct, id_: str, *, stage: Stage) -> None:
        super().__init__(
            scope,
            id_,
            stack_name=f"serval-{stage.name}-storage",
            description="Serval: artifacts, data, the registry, async requests and batch jobs",
        )
        access_logs = PrivateBucket(
            self,
            "AccessLogs",
            stage=stage,
            lifecycle=[LifecycleRule(id="logs", expiration=Duration.days(90))],
            versioned=False,
        )
        self.artifacts = ArtifactBucket(self, "Artifacts", stage=stage, access_logs=access_logs)
        self.data = DataBucket(self, "Data", stage=stage, access_logs=access_logs)
        self.registry = RegistryTable(self, "Registry", stage=stage)
        self.requests = RequestsTable(self, "Requests", stage=stage)
        self.streams = StreamsTable(self, "Streams", stage=stage)
        self.jobs = JobsTable(self, "Jobs", stage=stage)
        self.answers = AnswersTable(self, "Answers", stage=stage)
        CfnOutput(self, "ArtifactBucketName", value=self.artifacts.bucket.bucket_name)
        CfnOutput(self, "DataBucketName", value=self.data.bucket_name)
        CfnOutput(self, "RegistryTableName", value=self.registry.table.table_name)
        CfnOutput(self, "RequestsTableName", value=self.requests.table.table_name)
        CfnOutput(self, "StreamsTableName", value=self.streams.table.table_name)
        CfnOutput(self, "JobsTableName", value=self.jobs.table.table_name)
        CfnOutput(self, "AnswersTableName", value=self.answers.table.table_name)
