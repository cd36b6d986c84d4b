"""Find the stage to work on, and look up its resources.

``local.json`` in the state folder (``$SERVAL_STATE``, else ``.serval``) describes the local stage,
which is reached with test credentials, whatever the user's own are. The outputs of a deployed
stage's stacks describe it; it is reached with the user's credentials.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
)

from serval.aws.cloudwatch.statistics import CloudWatchStatistics
from serval.aws.dynamodb.api_keys import ApiKeyStore
from serval.aws.dynamodb.fleet_states import FleetTable
from serval.aws.dynamodb.registry import DynamoDBRegistry
from serval.aws.dynamodb.requests import RequestTable
from serval.aws.s3.data_bucket import DataBucket
from serval.aws.sqs.queues import ModelQueues
from serval.aws.ssm.secrets import ParameterSecrets
from serval.models.deployed_fleets import Fleets
from serval.models.resource_names import own_function_names
from serval.settings import unpack
from serval_cli.failures import CommandFailed
from serval_cli.known_models import know_models
from serval_cli.output import note
from serval_cli.stages.aws_failures import explain_attempt
from serval_cli.stages.choice import LOCAL, choose
from serval_cli.stages.local_stage import LocalStage, read_local_stage

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

STACK_ID = "AWS::StackId"
"""Key for a stack's id among its outputs; no output may have such a name."""
SETTINGS = {
    "user_agent_extra": "serval-cli",
    "connect_timeout": 10,
    "retries": {"mode": "standard", "total_max_attempts": 3},
}


@dataclass
class Stage:
    """One deployed instance of Serval, whose resources are looked up on demand."""

    name: str
    session: boto3.Session
    local: LocalStage | None = None
    _outputs: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def client(self, service: str, **settings: Any) -> Any:
        """Create an AWS client."""
        return self._connect(self.session.client, service, settings)

    @cached_property
    def table(self) -> "Table":
        """The registry table."""
        return self._table("RegistryTableName")

    @property
    def registry(self) -> DynamoDBRegistry:
        """The registry of models, versions, routes and rollouts."""
        return DynamoDBRegistry(self.table)

    @property
    def api_keys(self) -> ApiKeyStore:
        """The API keys."""
        return ApiKeyStore(self.table)

    @property
    def statistics(self) -> CloudWatchStatistics:
        """What the metrics tell of models and of the steps of pipelines."""
        return CloudWatchStatistics(lambda: self.client("cloudwatch"))

    @property
    def secrets(self) -> ParameterSecrets:
        """The secrets of models' handlers."""
        return ParameterSecrets(self.client("ssm"), self.name)

    @cached_property
    def requests(self) -> RequestTable:
        """The async requests."""
        return RequestTable(self._table("RequestsTableName"))

    @cached_property
    def fleets(self) -> Fleets:
        """The deployed fleets and their models."""
        return Fleets.from_text(self.output("api", "Fleets"))

    @property
    def fleet_states(self) -> FleetTable:
        """The states of fleets and their workers."""
        return FleetTable(self.table)

    @cached_property
    def queues(self) -> ModelQueues:
        """The queues of the stage's models."""
        return ModelQueues(self.client("sqs"), self.name, self.fleets.models)

    @cached_property
    def payloads(self) -> DataBucket:
        """The bucket of large inference requests, and of results."""
        bucket = self.local.data_bucket if self.local else self.output("storage", "DataBucketName")
        return DataBucket(self.client("s3"), bucket)

    @property
    def artifact_bucket(self) -> str:
        """The bucket that bundles go to."""
        if self.local:
            return self.local.artifact_bucket
        return self.output("storage", "ArtifactBucketName")

    @property
    def api_url(self) -> str:
        """The URL of the API, without a trailing slash."""
        return self.local.api_url if self.local else self.output("api", "ApiUrl").rstrip("/")

    @property
    def functions(self) -> Mapping[str, str]:
        """Function → its physical name."""
        names: dict[str, str] = json.loads(self.output("api", "Functions"))
        own: list[str] = json.loads(unpack(self.output("api", "OwnFunctions")))
        return names | own_function_names(self.name, own)

    @property
    def place(self) -> str:
        """The address on this machine, or the account and region."""
        if self.local:
            return f"this machine, {self.local.aws_endpoint_url}"
        account = self.output("api", STACK_ID).split(":")[4]
        return f"AWS account {account}, {self.session.region_name}"

    def api_key(self, given: str | None) -> str:
        """Return the API key to call with: the given one, else the local stage's."""
        if key := given or (self.local.api_key if self.local else None):
            return key
        raise CommandFailed(
            f"no API key for stage {self.name!r}: pass --api-key or set SERVAL_API_KEY; "
            "`serval keys create NAME` makes a key"
        )

    def output(self, part: str, key: str) -> str:
        """Return an output of the stack ``serval-<stage>-<part>``."""
        stack = f"serval-{self.name}-{part}"
        if stack not in self._outputs:
            self._outputs[stack] = self._read_outputs(stack)
        if key not in self._outputs[stack]:
            raise CommandFailed(
                f"stack {stack} has no output {key}: deploy it again with this version of Serval"
            )
        return self._outputs[stack][key]

    def _table(self, output: str) -> "Table":
        table: Table = self._connect(self.session.resource, "dynamodb", {}).Table(
            self.output("storage", output)
        )
        return table

    def _read_outputs(self, stack: str) -> Mapping[str, str]:
        try:
            answer = self.client("cloudformation").describe_stacks(StackName=stack)
        except (NoRegionError, NoCredentialsError) as error:
            raise CommandFailed(
                f"stage {self.name!r}, which --stage, SERVAL_STAGE or `serval use` chose, is one "
                f"in AWS (`serval use {LOCAL}` chooses the one on this machine): "
                f"{explain_attempt(error)}"
            ) from None
        except ClientError as error:
            code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
            if code == "ValidationError" and "does not exist" in message:
                raise CommandFailed(self._absence(stack)) from None
            raise
        found = answer["Stacks"][0]
        outputs = {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}
        return {STACK_ID: found["StackId"], **outputs}

    def _absence(self, stack: str) -> str:
        if self.local:
            return f"the local stage has no stack {stack}: `serval local up` deploys it"
        return (
            f"stage {self.name!r} is not deployed in {self.session.region_name}: no stack {stack}; "
            "deploy it (`serval deploy`), choose another with --stage or AWS_REGION, "
            "or start one on this machine (`serval local up --detach`)"
        )

    def _connect(self, make: Callable[..., Any], service: str, settings: Mapping[str, Any]) -> Any:
        # The local stage is never behind a proxy.
        own: dict[str, Any] = {"proxies": {}} if self.local else {}
        try:
            return make(
                service,
                endpoint_url=self.local.aws_endpoint_url if self.local else None,
                config=Config(**{**SETTINGS, **own, **settings}),
            )
        except ValueError as error:
            if isinstance(error, BotoCoreError):
                raise
            raise CommandFailed(f"{error}: look at AWS_ENDPOINT_URL") from None


def find_stage(name: str | None, *, writes: bool = False) -> Stage:
    """Find the stage that is named or chosen.

    Parameters
    ----------
    writes
        Whether the command changes the stage, which is then named on stderr first.

    Raises
    ------
    CommandFailed
        If no stage is chosen, or the chosen one does not answer.
    """
    stage = connect(choose(name))
    know_models(lambda: stage.registry.models())
    if writes:
        note(f"stage {stage.name}: {stage.place}")
    return stage


def connect(name: str) -> Stage:
    """Connect to a stage; only the local one is contacted at once."""
    if name == LOCAL:
        local = read_local_stage()
        if local is None or not local.answers():
            raise CommandFailed(explain_absence(local))
        return Stage(LOCAL, local_session(local.region), local)
    # boto3 itself reads AWS_DEFAULT_REGION only; the AWS CLI and CDK know both.
    return Stage(name, boto3.Session(region_name=os.environ.get("AWS_REGION")))


def explain_absence(local: LocalStage | None) -> str:
    """Explain why there is no local stage to work on."""
    start = "`serval local up --detach` starts it"
    if local is None:
        return f"there is no local stage: {start}"
    return f"the local stage does not answer at {local.aws_endpoint_url} ({local.source}): {start}"


def local_session(region: str) -> boto3.Session:
    """Create a session that ignores the user's own AWS configuration."""
    own = botocore.session.Session(
        session_vars={
            "profile": (None, None, None, None),
            "config_file": (None, None, os.devnull, None),
            "credentials_file": (None, None, os.devnull, None),
        }
    )
    return boto3.Session(
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name=region,
        botocore_session=own,
    )
