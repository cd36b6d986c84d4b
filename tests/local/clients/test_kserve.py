"""kserve's InferenceRESTClient, unmodified."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import numpy as np
import pytest
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

ROWS = np.array([[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]], np.float32)


def talk(conversation: Callable[[InferenceRESTClient], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        client = InferenceRESTClient(RESTConfig(protocol="v2"))
        try:
            return await conversation(client)
        finally:
            await client.close()

    return asyncio.run(run())


def rows(*, binary: bool) -> InferInput:
    if binary:
        tensor = InferInput("measurements", list(ROWS.shape), "FP32")
        tensor.set_data_from_numpy(ROWS, binary_data=True)
        return tensor
    return InferInput("measurements", list(ROWS.shape), "FP32", data=ROWS.ravel().tolist())


def test_health(stage: Any) -> None:
    async def conversation(client: InferenceRESTClient) -> list[bool]:
        return [
            await client.is_server_live(stage.api_url, headers=stage.headers),
            await client.is_server_ready(stage.api_url, headers=stage.headers),
            await client.is_model_ready(stage.api_url, "iris", headers=stage.headers),
            await client.is_model_ready(stage.api_url, "absent", headers=stage.headers),
        ]

    assert talk(conversation) == [True, True, True, False]


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("how", ["json", "all binary", "requested binary"])
def test_inference(stage: Any, binary: bool, how: str) -> None:
    wanted = [RequestedOutput("label", {"binary_data": True})] if how == "requested binary" else []
    request = InferRequest(
        "iris",
        [rows(binary=binary)],
        request_id="abc",
        request_outputs=wanted,
        parameters={"binary_data_output": True} if how == "all binary" else {},
    )

    async def conversation(client: InferenceRESTClient) -> Any:
        return await client.infer(
            stage.api_url, request, model_name="iris", headers=dict(stage.headers)
        )

    response = talk(conversation)
    assert response.id == "abc"
    assert response.model_name == "iris"
    outputs = {output.name: output for output in response.outputs}
    assert outputs["label"].as_numpy().tolist() == [0, 2]
    assert outputs.keys() == ({"label"} if wanted else {"label", "probabilities"})


def test_errors_are_readable(stage: Any) -> None:
    request = InferRequest("absent", [rows(binary=False)])

    async def conversation(client: InferenceRESTClient) -> Any:
        return await client.infer(
            stage.api_url, request, model_name="absent", headers=dict(stage.headers)
        )

    with pytest.raises(httpx.HTTPStatusError, match="model 'absent' is not registered"):
        talk(conversation)
