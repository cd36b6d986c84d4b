"""Secrets in Systems Manager's Parameter Store, read through signed requests.

https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from serval.aws.signed.client import TRANSIENT, AwsRefused, AwsUnavailable, SignedClient
from serval.handlers.secret_store import SecretsUnavailable
from serval.models.resource_names import secrets_path

HEADERS = {
    "content-type": "application/x-amz-json-1.1",
    "x-amz-target": "AmazonSSM.GetParameters",
}


@dataclass(frozen=True, slots=True)
class SignedSecrets:
    """The secrets of a stage's models, each a parameter under its model's path."""

    ssm: SignedClient
    stage: str

    def read(self, model: str, names: Collection[str]) -> Mapping[str, str]:
        """Return the values of a model's secrets by name, without those that are not set."""
        path = secrets_path(self.stage, model)
        asked = {"Names": [path + name for name in names], "WithDecryption": True}
        try:
            answer = json.loads(
                self.ssm.request("POST", "/", HEADERS, json.dumps(asked).encode()).read()
            )
        except AwsRefused as error:
            raise SecretsUnavailable(f"Parameter Store refused {path}*: {error}") from error
        except (AwsUnavailable, *TRANSIENT) as error:
            raise SecretsUnavailable(f"Parameter Store did not answer: {error}") from error
        return {each["Name"].removeprefix(path): each["Value"] for each in answer["Parameters"]}
