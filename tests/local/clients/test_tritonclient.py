"""tritonclient, unmodified, sync and aio: the same conversation with both."""

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.http as sync_http
import tritonclient.http.aio as aio_http
from tritonclient.utils import InferenceServerException

ROWS = np.array([[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]], np.float32)


class Client:
    """Calls either client's methods; awaits those that want it."""

    def __init__(self, kind: str, stage: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._headers = stage.headers
        self.library: Any = sync_http if kind == "sync" else aio_http
        self._client = self._finish(self._open(stage.api_url.removeprefix("http://")))

    async def _open_aio(self, url: str) -> Any:
        return aio_http.InferenceServerClient(url)

    def _open(self, url: str) -> Any:
        if self.library is aio_http:
            return self._open_aio(url)
        return sync_http.InferenceServerClient(url, connection_timeout=60, network_timeout=60)

    def _finish(self, result: Any) -> Any:
        return self._loop.run_until_complete(result) if inspect.isawaitable(result) else result

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        return lambda *args, **kw: self._finish(method(*args, headers=self._headers, **kw))

    def anonymous(self, name: str, *args: Any) -> Any:
        return self._finish(getattr(self._client, name)(*args))

    def close(self) -> None:
        self._finish(self._client.close())
        self._loop.close()


@pytest.fixture(params=["sync", "aio"])
def client(request: pytest.FixtureRequest, stage: Any) -> Iterator[Client]:
    made = Client(request.param, stage)
    yield made
    made.close()


def rows(client: Client, *, binary: bool) -> Any:
    tensor = client.library.InferInput("measurements", list(ROWS.shape), "FP32")
    tensor.set_data_from_numpy(ROWS, binary_data=binary)
    return tensor


def test_health(client: Client) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("iris")
    assert client.is_model_ready("iris", "1")
    assert not client.is_model_ready("absent")
    assert not client.is_model_ready("iris", "99")


def test_metadata(client: Client) -> None:
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    metadata = client.get_model_metadata("iris")
    assert metadata["name"] == "iris"
    assert metadata["inputs"] == [{"name": "measurements", "datatype": "FP32", "shape": [-1, 4]}]
    assert client.get_model_config("iris")["name"] == "iris"
    index = client.get_model_repository_index()
    assert {"name": "iris", "version": "1", "state": "READY", "reason": ""} in index
    assert client.get_inference_statistics("iris")["model_stats"][0]["name"] == "iris"


@pytest.mark.parametrize("binary_input", [True, False])
@pytest.mark.parametrize("binary_output", [True, False, None])
def test_inference(client: Client, binary_input: bool, binary_output: bool | None) -> None:
    requested = (
        None
        if binary_output is None
        else [
            client.library.InferRequestedOutput(name, binary_data=binary_output)
            for name in ("label", "probabilities")
        ]
    )
    result = client.infer(
        "iris", [rows(client, binary=binary_input)], outputs=requested, request_id="abc"
    )
    assert result.as_numpy("label").tolist() == [0, 2]
    assert result.as_numpy("probabilities").shape == (2, 3)
    assert result.get_response()["id"] == "abc"
    assert result.get_response()["model_name"] == "iris"


def test_one_output_can_be_asked_for(client: Client) -> None:
    only = [client.library.InferRequestedOutput("label")]
    result = client.infer("iris", [rows(client, binary=True)], outputs=only)
    assert [output["name"] for output in result.get_response()["outputs"]] == ["label"]


def test_a_version_in_the_path(client: Client) -> None:
    result = client.infer("iris", [rows(client, binary=True)], model_version="1")
    assert result.get_response()["model_version"] == "1"
    with pytest.raises(InferenceServerException, match="model 'iris' has no version '99'"):
        client.infer("iris", [rows(client, binary=True)], model_version="99")


@pytest.mark.parametrize("compression", ["gzip", "deflate"])
def test_compression_both_ways(client: Client, compression: str) -> None:
    many = np.repeat(ROWS, 500, axis=0)
    tensor = client.library.InferInput("measurements", list(many.shape), "FP32")
    tensor.set_data_from_numpy(many)
    result = client.infer(
        "iris",
        [tensor],
        request_compression_algorithm=compression,
        response_compression_algorithm=compression,
    )
    assert result.as_numpy("label").tolist() == [0] * 500 + [2] * 500


@pytest.mark.parametrize(
    ("datatype", "array"),
    [
        ("BYTES", np.array(["é", "", "abc"], np.object_)),
        ("BOOL", np.array([True, False, True])),
        ("FP16", np.array([0.5, -1, 2], np.float16)),
    ],
)
def test_other_datatypes(client: Client, datatype: str, array: Any) -> None:
    tensor = client.library.InferInput("x", list(array.shape), datatype)
    tensor.set_data_from_numpy(array)
    result = client.infer(f"echo-{datatype.lower()}", [tensor]).as_numpy("y")
    expected = [text.encode() for text in array] if datatype == "BYTES" else array.tolist()
    assert result.tolist() == expected


def test_errors_are_readable(client: Client) -> None:
    with pytest.raises(InferenceServerException, match="model 'absent' is not registered"):
        client.infer("absent", [rows(client, binary=True)])
    wrong = client.library.InferInput("measurements", [1, 3], "FP32")
    wrong.set_data_from_numpy(np.zeros((1, 3), np.float32))
    message = r"tensor 'measurements': shape \[1, 3\] given, \[-1, 4\] expected"
    with pytest.raises(InferenceServerException, match=message):
        client.infer("iris", [wrong])
    with pytest.raises(InferenceServerException, match="model 'absent' is not registered"):
        client.get_model_metadata("absent")
    with pytest.raises(InferenceServerException, match="no API key"):
        client.anonymous("get_model_metadata", "iris")
