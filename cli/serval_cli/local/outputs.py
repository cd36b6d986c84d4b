"""Read the outputs of the deployed stacks."""

import json
from dataclasses import dataclass
from typing import Any, Self

from serval.models.deployed_fleets import Fleets
from serval.models.resource_names import own_function_names
from serval.settings import unpack
from serval_cli.local.aws_client import CONFIG, create_session

LOCAL = "local"
STACKS = ("serval-local-storage", "serval-local-api", "serval-local-fleets")
"""The last stack exists only if there are fleets."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """The outputs of the stage's stacks."""

    artifact_bucket: str
    data_bucket: str
    registry_table: str
    api_id: str
    functions: dict[str, str]
    """Function → its physical name."""
    requests_table: str
    streams_table: str
    jobs_table: str
    fleets: Fleets
    worker_roles: dict[str, str]
    """Spot fleet → the name of its workers' role."""
    local_servers: dict[str, dict[str, Any]]
    """Spot fleet → the ``command`` and first ``port`` of the server beside its workers here."""

    @classmethod
    def read(cls, endpoint: str) -> Self:
        """Read the outputs from CloudFormation."""
        client = create_session().client("cloudformation", endpoint_url=endpoint, config=CONFIG)
        values = {
            output["OutputKey"]: output["OutputValue"]
            for stack in client.describe_stacks()["Stacks"]
            if stack["StackName"] in STACKS
            for output in stack["Outputs"]
        }
        return cls(
            artifact_bucket=values["ArtifactBucketName"],
            data_bucket=values["DataBucketName"],
            registry_table=values["RegistryTableName"],
            api_id=values["ApiId"],
            functions=json.loads(values["Functions"])
            | own_function_names(LOCAL, json.loads(unpack(values["OwnFunctions"]))),
            requests_table=values["RequestsTableName"],
            streams_table=values["StreamsTableName"],
            jobs_table=values["JobsTableName"],
            fleets=Fleets.from_text(values["Fleets"]),
            worker_roles=json.loads(values.get("WorkerRoles", "{}")),
            local_servers=json.loads(values.get("LocalServers", "{}")),
        )

    def api_url(self, endpoint: str) -> str:
        """Return the URL of the API, which is a path of the emulator."""
        return f"{endpoint}/_aws/execute-api/{self.api_id}/$default"
