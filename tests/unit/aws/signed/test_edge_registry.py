"""The registry as ``infer`` reads it: what AWS refuses is no fault of the caller, nor of a bug."""

import io
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from serval.access.api_key import ApiKey
from serval.aws.signed.client import AwsRefused, AwsUnavailable
from serval.aws.signed.edge import EdgeRegistry
from serval.errors import RegistryUnavailable
from serval.models.storage import API_KEY, api_key_partition

HASH = "0" * 64
TODAY = "2026-11-21"
DENIED = AwsRefused(400, b'{"__type": "x#AccessDeniedException", "Message": "arn:aws:sts::1"}')


@dataclass
class Table:
    """Stands for the signed client: holds one key, and refuses an operation if it is told to."""

    failing: dict[str, Exception] = field(default_factory=dict)
    attempts: dict[str, Any] = field(default_factory=dict)

    def request(self, method: str, path: str, headers: Any, body: bytes, **more: Any) -> io.BytesIO:
        operation = headers["x-amz-target"].rpartition(".")[2]
        self.attempts[operation] = more.get("attempts")
        if operation in self.failing:
            raise self.failing[operation]
        key = ApiKey.describe("text", "test", ["*"], "2026-11-01").to_attributes()
        item = {"pk": api_key_partition(HASH), "sk": API_KEY} | key
        typed = {name: {"S": str(value)} for name, value in item.items()}
        return io.BytesIO(json.dumps({"Responses": {"registry": [typed]}}).encode())


def registry(table: Table) -> EdgeRegistry:
    return EdgeRegistry("registry", table, lambda: TODAY)  # type: ignore[arg-type]


@pytest.mark.parametrize("failure", [DENIED, AwsUnavailable("throttled"), OSError("reset")])
def test_a_key_is_good_though_its_use_cannot_be_written_down(failure: Exception) -> None:
    table = Table({"UpdateItem": failure})

    key, _ = registry(table).key_and_route(HASH, "iris")

    assert key is not None
    assert key.allows("iris")
    assert table.attempts["UpdateItem"] == 1, "nobody waits for it"


@pytest.mark.parametrize("failure", [DENIED, AwsUnavailable("throttled"), OSError("reset")])
def test_a_registry_that_refuses_is_unavailable(failure: Exception) -> None:
    with pytest.raises(RegistryUnavailable) as raised:
        registry(Table({"BatchGetItem": failure})).route("iris")
    assert "arn:" not in str(raised.value)


def test_a_refusal_is_named_with_what_was_refused() -> None:
    with pytest.raises(RegistryUnavailable) as raised:
        registry(Table({"BatchGetItem": DENIED})).route("iris")
    assert str(raised.value) == "the registry refused BatchGetItem: 400 AccessDeniedException"
