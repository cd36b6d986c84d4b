"""What the deployed stacks say of themselves."""

import json
from dataclasses import dataclass
from typing import Self

from serval.fleets.deployed import Fleets
from serval_cli.local.aws_client import CONFIG, session

STACKS = ("serval-local-storage", "serval-local-api")


@dataclass(frozen=True, slots=True)
class Outputs:
    """The outputs of the stage's stacks."""

    artifact_bucket: str
    data_bucket: str
    registry_table: str
    api_id: str
    functions: dict[str, str]
    """Physical name of each function."""
    requests_table: str
    jobs_table: str
    fleets: Fleets

    @classmethod
    def read(cls, endpoint: str) -> Self:
        """Ask CloudFormation."""
        client = session().client("cloudformation", endpoint_url=endpoint, config=CONFIG)
        values = {
            output["OutputKey"]: output["OutputValue"]
            for name in STACKS
            for output in client.describe_stacks(StackName=name)["Stacks"][0]["Outputs"]
        }
        return cls(
            artifact_bucket=values["ArtifactBucketName"],
            data_bucket=values["DataBucketName"],
            registry_table=values["RegistryTableName"],
            api_id=values["ApiId"],
            functions=json.loads(values["Functions"]),
            requests_table=values["RequestsTableName"],
            jobs_table=values["JobsTableName"],
            fleets=Fleets.from_json(values["Fleets"]),
        )

    def api_url(self, endpoint: str) -> str:
        """Give the URL of the API, which on the laptop is a path of the emulator's."""
        return f"{endpoint}/_aws/execute-api/{self.api_id}/$default"
