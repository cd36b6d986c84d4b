"""``serval golden add``: a real request, and what the live model answers, as a golden request."""

import gzip
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from serval.bundles.bundle import read_bundle
from serval.client import Client
from serval.errors import BundleRefused
from serval.models.signature import Signature, TensorSpec
from serval.models.tensor import Tensor
from serval.protocol.request import read_request
from serval.protocol.response import InferenceResponse
from serval.rollouts.golden.requests import read_golden
from serval_cli.api.tensor_call import call
from serval_cli.bundle.golden_file import find_golden_file
from serval_cli.commands.publish import golden
from serval_cli.failures import CommandFailed

SIGNATURE = Signature((TensorSpec("x", "FP32", (-1, 2)),), (TensorSpec("y", "FP16", (-1, 2)),))
HEADER = "inference-header-content-length"


def live(request: httpx.Request) -> httpx.Response:
    """Answer as version 7 of a model that halves what it gets."""
    if request.method == "GET":
        return httpx.Response(200, json={"name": "tiny", **SIGNATURE.to_json()})
    packed = request.headers.get("content-encoding") == "gzip"
    sent = gzip.decompress(request.content) if packed else request.content
    read = read_request(sent, request.headers[HEADER], SIGNATURE)
    halves = (read.inputs[0].array / 2).astype(np.float16)
    response = InferenceResponse("tiny", "7", (Tensor("y", "FP16", halves),))
    body, length = encode_response(response)
    return httpx.Response(200, content=body, headers={HEADER: length, "serval-model-version": "7"})


def encode_response(response: InferenceResponse) -> tuple[bytes, str]:
    [output] = response.outputs
    raw = output.array.tobytes()
    head = json.dumps(
        {
            "model_name": "tiny",
            "outputs": [
                {
                    "name": "y",
                    "datatype": "FP16",
                    "shape": list(output.array.shape),
                    "parameters": {"binary_data_size": len(raw)},
                }
            ],
        }
    ).encode()
    return head + raw, str(len(head))


@pytest.fixture(autouse=True)
def stage(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client("http://api", "srv_key", transport=httpx.MockTransport(live))
    monkeypatch.setattr(golden, "find_stage", lambda *_: None)
    monkeypatch.setattr(golden, "open_client", lambda *_: client)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    (tmp_path / "model.yaml").write_text("name: tiny\n# golden: golden.jsonl   as you like\n")
    np.save(tmp_path / "x.npy", np.array([[1.0, 3.0]], np.float32))
    return tmp_path


def add(bundle: Path, capsys: pytest.CaptureFixture[str], model: str = "tiny") -> Any:
    golden.add(model, str(bundle / "x.npy"), bundle, as_json=True)
    return json.loads(capsys.readouterr().out)


def test_the_live_answer_becomes_a_golden_request(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = add(bundle, capsys)
    assert said == {
        "model": "tiny",
        "version": "7",
        "file": str(bundle / "golden.jsonl"),
        "requests": 1,
    }
    assert read_bundle((bundle / "model.yaml").read_text()).golden == "golden.jsonl"
    [read] = read_golden("golden.jsonl", (bundle / "golden.jsonl").read_bytes())
    assert read.expected[0].array.tolist() == [[0.5, 1.5]]


def test_a_table_is_read_by_the_columns_of_the_bundle(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = bundle / "rows.csv"
    rows.write_text(",wide,long\n0,1,3\n")
    with pytest.raises(CommandFailed, match=r"'wide', 'long'.* those of the bundle's model\.yaml"):
        golden.add("tiny", str(rows), bundle, as_json=True)
    with (bundle / "model.yaml").open("a") as file:
        file.write("columns: {x: [long, wide]}\n")
    golden.add("tiny", str(rows), bundle, as_json=True)
    assert "x ← long=3, wide=1 (by name;" in " ".join(capsys.readouterr().err.split())
    golden.add("tiny", str(rows), bundle, positional=True, as_json=True)
    lines = read_golden("golden.jsonl", (bundle / "golden.jsonl").read_bytes())
    assert [line.expected[0].array.tolist() for line in lines] == [[[1.5, 0.5]], [[0.5, 1.5]]]


def test_a_second_one_is_added_behind_it(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add(bundle, capsys)
    (bundle / "golden.jsonl").write_text((bundle / "golden.jsonl").read_text().rstrip("\n"))
    yaml = (bundle / "model.yaml").read_text()
    assert add(bundle, capsys)["requests"] == 2
    assert (bundle / "model.yaml").read_text() == yaml
    assert len(read_golden("golden.jsonl", (bundle / "golden.jsonl").read_bytes())) == 2


def test_a_bundle_may_call_its_file_otherwise(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (bundle / "model.yaml").write_text("name: tiny\ngolden: held-out.jsonl\n")
    assert add(bundle, capsys)["file"] == str(bundle / "held-out.jsonl")


def test_the_folder_must_be_a_bundle_of_the_model(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandFailed, match="is a bundle of 'tiny', not of 'other'"):
        add(bundle, capsys, "other")
    (bundle / "model.yaml").unlink()
    with pytest.raises(CommandFailed, match=r"has no model\.yaml: --bundle names the bundle"):
        add(bundle, capsys)
    assert not (bundle / "golden.jsonl").exists()


def test_a_file_over_its_limits_stays_as_it_is(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serval_cli.bundle.golden_file.LIMIT_LINES", 1)
    kept = find_golden_file(bundle, "tiny")
    kept.add("{}\n")
    with pytest.raises(CommandFailed, match="would have 2 lines"):
        kept.add("{}\n")
    assert (bundle / "golden.jsonl").read_text() == "{}\n"


def test_a_model_yaml_that_cannot_be_added_to_is_left_to_its_owner(bundle: Path) -> None:
    (bundle / "model.yaml").write_text("{name: tiny}\n")
    with pytest.raises(CommandFailed, match=r"add 'golden: golden\.jsonl' to it"):
        find_golden_file(bundle, "tiny")


def test_a_model_yaml_that_is_no_text_is_refused_in_words(bundle: Path) -> None:
    (bundle / "model.yaml").write_bytes(b"name: \xff\n")
    with pytest.raises(BundleRefused, match=r"model\.yaml is not YAML"):
        find_golden_file(bundle, "tiny")


def test_tensors_go_to_and_fro_as_bytes() -> None:
    client = Client("http://api", "srv_key", transport=httpx.MockTransport(live))
    x = Tensor("x", "FP32", np.array([[0.1, -2.0]], np.float32))
    answer = call(client, "tiny", "7", [x], SIGNATURE.outputs)
    assert answer.version == "7"
    assert np.array_equal(answer.outputs[0].array, (x.array / 2).astype(np.float16))


def test_an_image_goes_compressed() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return live(request)

    client = Client("http://api", "srv_key", transport=httpx.MockTransport(answer))
    x = Tensor("x", "FP32", np.ones((50_000, 2), np.float32))
    given = call(client, "tiny", "7", [x], SIGNATURE.outputs)
    assert given.outputs[0].array.shape == (50_000, 2)
    assert seen[0].headers["content-encoding"] == "gzip"
