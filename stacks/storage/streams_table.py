"""The streams table: what is written of async requests that are read meanwhile."""

from collections.abc import Sequence

from aws_cdk.aws_dynamodb import Attribute, AttributeType, BillingMode, Table, TableEncryption
from constructs import Construct

from serval.models.version import id_pattern
from serval.requests.stream.table import EXPIRES, FIRST, REQUEST
from stacks.stage.acknowledgements import acknowledge
from stacks.stage.grants import Granted, partitions
from stacks.stage.stage import Stage
from stacks.storage.attributes import text_attribute

NO_RECOVERY = "a text is whole in its request's result; its pieces matter only while it is written"

WRITING = ("dynamodb:PutItem", "dynamodb:Query")


class StreamsTable(Construct):
    """One table, on demand; items expire some weeks after they were written."""

    def __init__(self, scope: Construct, id_: str, *, stage: Stage) -> None:
        super().__init__(scope, id_)
        self.table = Table(
            self,
            "Streams",
            partition_key=text_attribute(REQUEST),
            sort_key=Attribute(name=FIRST, type=AttributeType.NUMBER),
            billing_mode=BillingMode.PAY_PER_REQUEST,
            # As in the registry: the key that DynamoDB owns is free.
            encryption=TableEncryption.DEFAULT,
            time_to_live_attribute=EXPIRES,
            removal_policy=stage.removal_policy,
        )
        acknowledge(self.table, {"AwsSolutions-DDB3": NO_RECOVERY})

    def grant_read(self, granted: Granted) -> None:
        """Grant reading what is written of requests."""
        granted.allow(["dynamodb:Query"], [self.table.table_arn])

    def grant_write(self, granted: Granted) -> None:
        """Grant writing streams, and going on with them."""
        granted.allow(WRITING, [self.table.table_arn])

    def grant_write_of(self, granted: Granted, models: Sequence[str]) -> None:
        """Grant a worker reading and writing the streams of its own models only."""
        granted.allow(
            WRITING,
            [self.table.table_arn],
            partitions(*map(id_pattern, models)),
        )
