"""Secrets as handlers' functions read them, and what they say when they cannot."""

import io
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from serval.aws.signed.client import AwsRefused, AwsUnavailable
from serval.aws.signed.secrets import SignedSecrets
from serval.handlers.secret_store import SecretsUnavailable


@dataclass
class ParameterStore:
    """Stands for the signed client: has one parameter, or fails."""

    error: Exception | None = None
    asked: list[Any] = field(default_factory=list)

    def request(self, method: str, path: str, headers: Any, body: bytes) -> io.BytesIO:
        if self.error:
            raise self.error
        assert headers["x-amz-target"] == "AmazonSSM.GetParameters"
        self.asked.append(json.loads(body))
        answer = {
            "Parameters": [{"Name": "/serval/dev/shelf/token", "Value": "v"}],
            "InvalidParameters": ["/serval/dev/shelf/other"],
        }
        return io.BytesIO(json.dumps(answer).encode())


def test_all_secrets_of_a_model_are_read_at_once_and_decrypted() -> None:
    store = ParameterStore()
    secrets = SignedSecrets(store, "dev")  # type: ignore[arg-type]
    assert secrets.read("shelf", ["other", "token"]) == {"token": "v"}
    names = ["/serval/dev/shelf/other", "/serval/dev/shelf/token"]
    assert store.asked == [{"Names": names, "WithDecryption": True}]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            AwsRefused(400, b'{"__type": "AccessDeniedException", "Message": "role/x"}'),
            r"Parameter Store refused /serval/dev/shelf/\*: 400 AccessDeniedException",
        ),
        (AwsUnavailable("ssm did not answer"), "Parameter Store did not answer: ssm did"),
        (TimeoutError("timed out"), "Parameter Store did not answer: timed out"),
    ],
)
def test_a_store_that_does_not_give_them_is_said_to_be_so(error: Exception, said: str) -> None:
    secrets = SignedSecrets(ParameterStore(error), "dev")  # type: ignore[arg-type]
    with pytest.raises(SecretsUnavailable, match=said):
        secrets.read("shelf", ["token"])
