"""kserve's InferenceRESTClient by the V1 protocol, unmodified."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from kserve import InferenceRESTClient, RESTConfig

ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]


def talk(conversation: Callable[[InferenceRESTClient], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        client = InferenceRESTClient(RESTConfig(protocol="v1"))
        try:
            return await conversation(client)
        finally:
            await client.close()

    return asyncio.run(run())


def test_health(stage: Any) -> None:
    async def conversation(client: InferenceRESTClient) -> list[bool]:
        return [
            await client.is_server_live(stage.api_url, headers=stage.headers),
            await client.is_model_ready(stage.api_url, "iris", headers=stage.headers),
        ]

    assert talk(conversation) == [True, True]


@pytest.mark.parametrize(
    "body", [{"instances": ROWS}, {"instances": [{"measurements": row} for row in ROWS]}]
)
def test_rows_are_predicted(stage: Any, body: Any) -> None:
    async def conversation(client: InferenceRESTClient) -> Any:
        return await client.infer(stage.api_url, body, model_name="iris", headers=stage.headers)

    predictions = talk(conversation)["predictions"]
    assert [one["label"] for one in predictions] == [0, 2]
    assert [len(one["probabilities"]) for one in predictions] == [3, 3]


def test_errors_are_readable(stage: Any) -> None:
    async def conversation(client: InferenceRESTClient) -> Any:
        return await client.infer(
            stage.api_url, {"instances": [[1.0]]}, model_name="iris", headers=stage.headers
        )

    with pytest.raises(httpx.HTTPStatusError, match="tensor 'measurements': shape"):
        talk(conversation)
