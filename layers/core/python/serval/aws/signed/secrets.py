"""Secrets in Systems Manager's Parameter Store, read through signed requests.

https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

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
        body = json.dumps(asked_for(path, names)).encode()
        try:
            answer = json.loads(self.ssm.request("POST", "/", HEADERS, body).read())
        except AwsRefused as error:
            raise SecretsUnavailable(f"Parameter Store refused {path}*: {error}") from error
        except (AwsUnavailable, *TRANSIENT) as error:
            raise SecretsUnavailable(f"Parameter Store did not answer: {error}") from error
        return values_by_name(path, answer)


def asked_for(path: str, names: Collection[str]) -> dict[str, Any]:
    """Return what GetParameters takes: names under a path, whose values are to be decrypted."""
    return {"Names": [path + name for name in names], "WithDecryption": True}


def values_by_name(path: str, answer: Mapping[str, Any]) -> dict[str, str]:
    """Return the values that GetParameters answers, by their names without the path."""
    return {each["Name"].removeprefix(path): each["Value"] for each in answer["Parameters"]}
