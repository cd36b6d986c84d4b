"""Secrets of handlers in Parameter Store, one encrypted parameter each.

They are encrypted with the account's own key for the service (``aws/ssm``), which decrypts for
whoever may read the parameter, and costs nothing.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from serval.aws.signed.secrets import asked_for, values_by_name
from serval.handlers.secret_store import SecretsUnavailable
from serval.models.resource_names import secrets_path

MISSING = "ParameterNotFound"


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """What is known of a secret without its value."""

    name: str
    version: int
    """Rises each time it is set."""
    changed: datetime


@dataclass(frozen=True, slots=True)
class ParameterSecrets:
    """The secrets of a stage's models, each a parameter under its model's path."""

    ssm: Any
    """boto3's client."""
    stage: str

    def read(self, model: str, names: Collection[str]) -> Mapping[str, str]:
        """Return the values of a model's secrets by name, without those that are not set."""
        path = secrets_path(self.stage, model)
        try:
            answer = self.ssm.get_parameters(**asked_for(path, names))
        except (BotoCoreError, ClientError) as error:
            raise SecretsUnavailable(f"Parameter Store has not given {path}*: {error}") from error
        return values_by_name(path, answer)

    def set(self, model: str, name: str, value: str) -> int:
        """Set a secret, or replace it; return its version."""
        answer = self.ssm.put_parameter(
            Name=secrets_path(self.stage, model) + name,
            Value=value,
            Type="SecureString",
            Overwrite=True,
        )
        return int(answer["Version"])

    def list_of(self, model: str) -> list[StoredSecret]:
        """List a model's secrets by name."""
        return sorted(self._list_of(model), key=lambda secret: secret.name)

    def delete(self, model: str, name: str) -> bool:
        """Delete a secret; return whether it was there."""
        try:
            self.ssm.delete_parameter(Name=secrets_path(self.stage, model) + name)
        except ClientError as error:
            if error.response["Error"]["Code"] == MISSING:
                return False
            raise
        return True

    def _list_of(self, model: str) -> Iterator[StoredSecret]:
        path = secrets_path(self.stage, model)
        pages = self.ssm.get_paginator("get_parameters_by_path").paginate(Path=path)
        for page in pages:
            for each in page["Parameters"]:
                name = each["Name"].removeprefix(path)
                yield StoredSecret(name, each["Version"], each["LastModifiedDate"])
