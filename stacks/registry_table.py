"""The registry table: models, routes, versions, rollouts, claims and API keys."""

from aws_cdk.aws_dynamodb import (
    Attribute,
    AttributeType,
    BillingMode,
    PointInTimeRecoverySpecification,
    Table,
    TableEncryption,
)
from constructs import Construct

from stacks.serval_function import ServalFunction
from stacks.stage import Stage

READS = ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query"]
MODEL = "MODEL#*"


class RegistryTable(Construct):
    """One table, on demand, with point-in-time recovery."""

    def __init__(self, scope: Construct, id_: str, *, stage: Stage) -> None:
        super().__init__(scope, id_)
        self.table = Table(
            self,
            "Registry",
            partition_key=Attribute(name="pk", type=AttributeType.STRING),
            sort_key=Attribute(name="sk", type=AttributeType.STRING),
            billing_mode=BillingMode.PAY_PER_REQUEST,
            # The key that DynamoDB owns costs nothing; one in KMS costs $1 a month.
            encryption=TableEncryption.DEFAULT,
            point_in_time_recovery_specification=PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            time_to_live_attribute="expires",
            removal_policy=stage.removal_policy,
        )

    def grant_read(self, function: ServalFunction) -> None:
        """Let a function read all of it, and note the day on which an API key was used."""
        function.allow(READS, [self.table.table_arn])
        noting = partitions("KEY#*") | {
            "ForAllValues:StringEquals": {"dynamodb:Attributes": ["pk", "sk", "last_used"]}
        }
        function.allow(["dynamodb:UpdateItem"], [self.table.table_arn], noting)

    def grant_roll_out(self, function: ServalFunction) -> None:
        """Let a function read what is known of a model, and put its routes and rollouts."""
        self._allow(function, ["dynamodb:GetItem", "dynamodb:PutItem"], MODEL)

    def grant_claim(self, function: ServalFunction) -> None:
        """Let a function claim uploads."""
        self._allow(function, ["dynamodb:UpdateItem"], "CLAIM#*")

    def grant_register(self, function: ServalFunction) -> None:
        """Let a function number versions and list their models."""
        self._allow(function, ["dynamodb:UpdateItem"], MODEL)
        self._allow(function, ["dynamodb:PutItem"], "MODELS")

    def _allow(self, function: ServalFunction, actions: list[str], partition: str) -> None:
        function.allow(actions, [self.table.table_arn], partitions(partition))


def partitions(*names: str) -> dict[str, dict[str, object]]:
    """Give the condition that a request names partitions, and only these."""
    return {
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": list(names)},
        "Null": {"dynamodb:LeadingKeys": "false"},
    }
