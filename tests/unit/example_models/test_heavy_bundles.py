"""The example bundles for fleets: textgen, resnet, and resnet compiled for Inferentia."""

import json
import os
import subprocess
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from models.resnet.build import build
from models.resnet.network import resnet50
from models.textgen.build import GOLDEN, corpus
from serval.bundles.bundle import Compute, read_bundle
from serval.bundles.onnx_signature import read_signature
from serval.bundles.verification.served import declared_signature
from serval.errors import BundleRefused
from serval.models.signature import Signature, TensorSpec
from serval.protocol.request import read_request
from serval_cli.bundle.folder import read_folder

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
MODELS = ROOT / "models"
INFERENTIA = "not-deployed/resnet-inferentia"
FLEETS = {"textgen": "gpu", "resnet": "gpu", INFERENTIA: "inferentia"}
COMPLETION = Signature(
    (TensorSpec("prompt", "UINT8", (-1, -1)),), (TensorSpec("completion", "UINT8", (-1, 64)),)
)
LOGITS = Signature(
    (TensorSpec("image", "FP32", (-1, 3, 224, 224)),), (TensorSpec("logits", "FP32", (-1, 1000)),)
)


def declared(name):
    return read_bundle((MODELS / name / "model.yaml").read_bytes())


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    folder = tmp_path_factory.mktemp("resnet")
    build(folder)
    return folder / "model.onnx"


@pytest.mark.parametrize(("name", "fleet"), FLEETS.items())
def test_heavy_models_run_on_a_fleet_in_batches_of_eight(name, fleet):
    bundle = declared(name)
    assert bundle.name == Path(name).name
    assert bundle.compute == Compute(target="fleet", fleet=fleet)
    assert bundle.batching.max_batch_size == 8


@pytest.mark.parametrize(("name", "signature"), [("textgen", COMPLETION), ("resnet", LOGITS)])
def test_graphs_pass_the_checks_of_a_push(name, signature):
    assert (MODELS / name / "model.onnx").is_file(), "run `make models`"

    bundle = read_folder(MODELS / name)

    graph = onnx.load(bundle.folder / "model.onnx", load_external_data=False)
    assert read_signature(graph) == signature
    assert not [path for path in bundle.sizes if path.endswith(".py")]


def test_textgen_answers_its_golden_requests_exactly():
    folder = MODELS / "textgen"
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    lines = (folder / "golden.jsonl").read_text().splitlines()

    assert len(lines) == GOLDEN
    for line in lines:
        pair = json.loads(line)
        request = read_request(json.dumps(pair["request"]), None, COMPLETION)
        (completion,) = session.run(None, {t.name: t.array for t in request.inputs})
        (expected,) = pair["response"]["outputs"]
        assert expected["shape"] == list(completion.shape)
        assert expected["data"] == completion.ravel().tolist()


def test_textgen_says_words_of_the_text_that_it_has_read():
    session = onnxruntime.InferenceSession(MODELS / "textgen" / "model.onnx")

    prompt = np.frombuffer(b"The data set ", np.uint8)[None]
    (completion,) = session.run(None, {"prompt": prompt})

    words = completion.tobytes().decode().split()[:-1]
    known = set(corpus().decode().split())
    assert len(words) > 5
    assert sum(word in known for word in words) >= 0.8 * len(words)


def test_resnet_takes_any_number_of_images_and_keeps_them_apart(resnet):
    session = onnxruntime.InferenceSession(resnet)
    images = np.random.default_rng(0).random((2, 3, 224, 224), np.float32)

    (together,) = session.run(None, {"image": images})
    (alone,) = session.run(None, {"image": images[1:]})

    assert together.shape == (2, 1000)
    assert np.isfinite(together).all()
    assert np.abs(together[0] - together[1]).max() > 1e-3
    assert np.abs(together[1] - alone[0]).max() < 1e-4


def test_resnet_is_the_same_for_the_same_seed(resnet):
    graph = resnet50(0).SerializeToString()
    assert graph == resnet.read_bytes()
    assert len(graph) == pytest.approx(102e6, rel=0.01)


def test_inferentia_declares_what_the_graph_says_of_itself():
    bundle = declared(INFERENTIA)
    assert declared_signature(bundle) == (LOGITS, [])
    assert (bundle.runtime.kind, bundle.runtime.server) == ("http", None)


def test_inferentia_is_pushed_once_its_archive_is_there(tmp_path):
    for name in ("model.yaml", "README.md", "compile.py"):
        (tmp_path / name).write_bytes((MODELS / INFERENTIA / name).read_bytes())
    with pytest.raises(BundleRefused, match=r"'model.neuron.tar' is not a file"):
        read_folder(tmp_path)

    traced = tmp_path / "model.neuron"
    with zipfile.ZipFile(traced, "w") as script:
        script.writestr("model/version", b"3")
    with tarfile.open(tmp_path / "model.neuron.tar", "w") as archive:
        archive.add(traced, traced.name)

    assert sorted(read_folder(tmp_path).sizes) == ["README.md", "model.neuron.tar", "model.yaml"]


@pytest.mark.parametrize(
    ("target", "waits"), [("models", {"iris", "textgen", "resnet"}), ("demo", {"iris"})]
)
def test_only_the_demo_does_without_heavy_models(target, waits):
    changed = [word for name in FLEETS for word in ("-W", f"models/{name}/build.py")]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}

    would = subprocess.run(
        ["make", "--dry-run", *changed, "-W", "models/iris/build.py", target],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip

    names = {"iris", *FLEETS}
    assert {name for name in names if f"models/{name}/build.py" in would} == waits
