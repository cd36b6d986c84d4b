"""The registry table: models, routes, versions, rollouts, claims, API keys and fleets."""

from collections.abc import Sequence

from aws_cdk.aws_dynamodb import (
    BillingMode,
    PointInTimeRecoverySpecification,
    Table,
    TableEncryption,
)
from constructs import Construct

from serval.models.storage import MODELS_PARTITION, WAITING, fleet_partition, model_partition
from stacks.stage.grants import Granted, partitions
from stacks.stage.stage import Stage
from stacks.storage.attributes import text_attribute

MODELS, MODEL, API_KEY, FLEET = MODELS_PARTITION, "MODEL#*", "KEY#*", "FLEET#*"
TICKET = "TICKET#*"


class RegistryTable(Construct):
    """One table, on demand, with point-in-time recovery."""

    def __init__(self, scope: Construct, id_: str, *, stage: Stage) -> None:
        super().__init__(scope, id_)
        self.table = Table(
            self,
            "Registry",
            partition_key=text_attribute("pk"),
            sort_key=text_attribute("sk"),
            billing_mode=BillingMode.PAY_PER_REQUEST,
            # The key that DynamoDB owns is free; one in KMS costs $1 a month.
            encryption=TableEncryption.DEFAULT,
            point_in_time_recovery_specification=PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            time_to_live_attribute="expires",
            removal_policy=stage.removal_policy,
        )

    def grant_admit(self, granted: Granted, model: str | None = None) -> None:
        """Grant reading callers' keys and the route of one model, or of all, and recording use."""
        of_model = model_partition(model) if model else MODEL
        self._allow(granted, ["dynamodb:BatchGetItem"], API_KEY, of_model)
        self._note(granted, ["last_used"])

    def grant_issue(self, granted: Granted) -> None:
        """Grant storing tickets."""
        self._allow(granted, ["dynamodb:PutItem"], TICKET)

    def grant_redeem(self, granted: Granted) -> None:
        """Grant taking tickets."""
        self._allow(granted, ["dynamodb:DeleteItem"], TICKET)

    def grant_describe(self, granted: Granted) -> None:
        """Grant reading callers' keys and everything about models, and recording use."""
        self._allow(granted, ["dynamodb:GetItem"], API_KEY, MODEL)
        self._allow(granted, ["dynamodb:Query"], MODELS, MODEL)
        self._note(granted, ["last_used"])

    def grant_list_models(self, granted: Granted) -> None:
        """Grant listing the models."""
        self._allow(granted, ["dynamodb:Query"], MODELS)

    def grant_count(self, granted: Granted) -> None:
        """Grant counting the requests of each API key."""
        self._note(granted, ["count", "expires"])

    def grant_places(self, granted: Granted) -> None:
        """Grant taking and returning places to wait."""
        self._allow(granted, ["dynamodb:UpdateItem"], WAITING)

    def grant_secrets(self, granted: Granted) -> None:
        """Grant reading the secrets that sign callbacks."""
        self._allow(granted, ["dynamodb:GetItem"], API_KEY)

    def grant_fleets(self, granted: Granted) -> None:
        """Grant reading and updating fleets' rows."""
        self._allow(granted, ["dynamodb:GetItem", "dynamodb:UpdateItem"], FLEET)

    def grant_list_workers(self, granted: Granted) -> None:
        """Grant reading the reports of fleets' workers."""
        self._allow(granted, ["dynamodb:Query"], FLEET)

    def grant_routes(self, granted: Granted) -> None:
        """Grant reading models' routes and versions."""
        self._allow(granted, ["dynamodb:GetItem"], MODEL)

    def grant_work(self, granted: Granted, fleet: str, models: Sequence[str]) -> None:
        """Grant a worker reading its fleet's row and its models' routes, and reporting itself."""
        own = fleet_partition(fleet)
        self._allow(granted, ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem"], own)
        self._allow(granted, ["dynamodb:GetItem"], *map(model_partition, models))

    def grant_roll_out(self, granted: Granted) -> None:
        """Grant reading everything about a model, and writing its routes and rollouts."""
        self._allow(granted, ["dynamodb:GetItem", "dynamodb:PutItem"], MODEL)

    def grant_claim(self, granted: Granted) -> None:
        """Grant claiming uploads, and finding the pipelines that use their models."""
        self._allow(granted, ["dynamodb:UpdateItem"], "CLAIM#*")
        self._allow(granted, ["dynamodb:Query"], MODELS)

    def grant_register(self, granted: Granted) -> None:
        """Grant numbering versions and listing their models."""
        self._allow(granted, ["dynamodb:UpdateItem"], MODEL)
        self._allow(granted, ["dynamodb:PutItem"], MODELS)

    def _note(self, granted: Granted, attributes: list[str]) -> None:
        """Grant updating these attributes of API keys, and no others."""
        only = {"dynamodb:Attributes": ["pk", "sk", *attributes]}
        conditions = partitions(API_KEY) | {"ForAllValues:StringEquals": only}
        granted.allow(["dynamodb:UpdateItem"], [self.table.table_arn], conditions)

    def _allow(self, granted: Granted, actions: list[str], *names: str) -> None:
        granted.allow(actions, [self.table.table_arn], partitions(*names))
