"""Shapes of metadata."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from serval.models.metadata import VERSION, model_config, model_metadata, server_metadata
from serval.models.signature import Signature, TensorSpec
from tests.fakes.describe import version_record

ROOT = Path(__file__).parents[3]


def test_serval_tells_the_version_of_its_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION


def test_the_server_offers_binary_tensors() -> None:
    assert "binary_tensor_data" in server_metadata()["extensions"]


def test_a_configuration_writes_datatypes_as_triton_does() -> None:
    sign = Signature((TensorSpec("text", "BYTES", (-1, 1)),), (TensorSpec("score", "FP32", (-1,)),))
    config = model_config(version_record("sentiment", "3", sign))
    assert config["input"] == [{"name": "text", "data_type": "TYPE_STRING", "dims": [-1, 1]}]
    assert config["output"] == [{"name": "score", "data_type": "TYPE_FP32", "dims": [-1]}]
    assert (config["backend"], config["max_batch_size"]) == ("onnxruntime", 0)


@pytest.mark.parametrize(
    ("runtime", "platform", "backend"),
    [
        ({}, "http_v2", "http"),
        ({"server": None, "protocol": "openai"}, "http_openai", "http"),
        ({"server": "triton", "protocol": "v2"}, "triton_v2", "triton"),
    ],
)
def test_a_version_that_a_server_runs_names_the_server(
    runtime: dict[str, str | None], platform: str, backend: str
) -> None:
    record = version_record("textgen", "1", Signature((), ()))
    served = replace(record, runtime="http", bundle={"runtime": runtime})
    assert model_metadata(served, ["1"])["platform"] == platform
    config = model_config(served)
    assert (config["platform"], config["backend"]) == (platform, backend)
