"""The answers table: what versions of models with a cache have answered."""

from aws_cdk.aws_dynamodb import BillingMode, Table, TableEncryption
from constructs import Construct

from serval.aws.signed.answers import EXPIRES, KEY
from stacks.stage.acknowledgements import acknowledge
from stacks.stage.grants import Granted, partitions
from stacks.stage.stage import Stage
from stacks.storage.attributes import text_attribute

NO_RECOVERY = "an answer that is lost is computed again"


class AnswersTable(Construct):
    """One table, on demand, apart from the registry: what slows a cache down must slow no call."""

    def __init__(self, scope: Construct, id_: str, *, stage: Stage) -> None:
        super().__init__(scope, id_)
        self.table = Table(
            self,
            "Answers",
            partition_key=text_attribute(KEY),
            billing_mode=BillingMode.PAY_PER_REQUEST,
            # As in the registry: the key that DynamoDB owns is free.
            encryption=TableEncryption.DEFAULT,
            time_to_live_attribute=EXPIRES,
            removal_policy=stage.removal_policy,
        )
        acknowledge(self.table, {"AwsSolutions-DDB3": NO_RECOVERY})

    def grant_keep(self, granted: Granted, model: str | None = None) -> None:
        """Grant reading and writing the answers of one model, or of all."""
        granted.allow(
            ["dynamodb:GetItem", "dynamodb:PutItem"],
            [self.table.table_arn],
            partitions(f"{model}/*") if model else None,
        )
