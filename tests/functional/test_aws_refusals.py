"""Functions whose tables AWS throttles answer 503, in the protocol's shape."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from serval.aws.dynamodb.api_keys import ApiKeyStore
from tests.fakes import batch_api, describe, submission
from tests.fakes.submission import KEY, call


def throttled(*_: Any, **__: Any) -> Any:
    raise ClientError(
        {
            "Error": {"Code": "ThrottlingException", "Message": "arn:aws:dynamodb:x:123456789012"},
            "ResponseMetadata": {"HTTPStatusCode": 400},  # type: ignore[typeddict-item]
        },
        "GetItem",
    )


class Throttled:
    """Any port, whose every call AWS refuses."""

    name = "table"

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return throttled


def of_async_request(endpoint: str, event: str) -> dict[str, Any]:
    bench = submission.Bench()
    bench.store = Throttled()  # type: ignore[assignment]
    reply: dict[str, Any] = getattr(bench, endpoint).reply(call(event))
    return reply


def of_description() -> dict[str, Any]:
    bench = describe.Bench()
    bench.registry = Throttled()  # type: ignore[assignment]
    bench.grant(KEY)
    return bench.endpoint.reply(call("describe_model"))


def of_batch_job() -> dict[str, Any]:
    bench = batch_api.Bench()
    bench.store = Throttled()  # type: ignore[assignment]
    return bench.endpoint.reply(call("batch_get"))


@pytest.mark.parametrize(
    "reply",
    [
        lambda: of_async_request("submit", "submit"),
        lambda: of_async_request("wait", "wait"),
        lambda: of_async_request("requests", "requests_get"),
        of_description,
        of_batch_job,
    ],
    ids=["submit", "wait", "requests", "describe", "batch"],
)
def test_a_throttled_table_is_a_503_that_says_nothing_of_the_account(
    reply: Callable[[], dict[str, Any]],
) -> None:
    answered = reply()
    assert answered["statusCode"] == 503
    assert json.loads(answered["body"]) == {"error": "AWS refused GetItem: ThrottlingException"}


def test_a_key_whose_use_cannot_be_written_down_is_good() -> None:
    ApiKeyStore(Throttled()).mark_used("0" * 64, "2026-11-21")  # type: ignore[arg-type]
