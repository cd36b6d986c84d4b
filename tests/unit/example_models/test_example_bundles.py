"""The example bundles: what is exported answers as scikit-learn's own model does."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import onnxruntime
import pytest
from sklearn.datasets import load_iris

from models import golden
from serval.bundles.bundle import Compute, read_bundle
from serval.bundles.onnx_signature import read_signature
from serval.protocol.request import read_request

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[3]
NAMES = ["diabetes", "digits", "iris"]
HEAVY = ["resnet", "textgen"]
"""Tested in test_heavy_bundles.py."""
TASKS = ["camera", "reviews", "titanic", "voice"]
"""Tested in files of their own."""


class Bundle:
    """One example bundle, built into a folder of its own."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.source = REPOSITORY / "models" / name
        self.build: ModuleType = importlib.import_module(f"models.{name}.build")
        self.said = self.build.build(folder)
        self.artifact = folder / "model.onnx"
        self.session = onnxruntime.InferenceSession(self.artifact)
        self.declared = read_bundle((self.source / "model.yaml").read_bytes())
        self.golden = (folder / "golden.jsonl").read_text().splitlines()
        self.training, self.held_out, self.answers, _ = self.build.measured()

    @property
    def signature(self):
        return read_signature(onnx.load(self.artifact))

    def trained(self):
        return self.build.train(self.training, self.answers)

    def infer(self, inputs):
        names = [output.name for output in self.session.get_outputs()]
        return dict(zip(names, self.session.run(None, inputs), strict=True))


@pytest.fixture(scope="module", params=NAMES)
def bundle(request, tmp_path_factory):
    return Bundle(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def iris(tmp_path_factory):
    return Bundle("iris", tmp_path_factory.mktemp("iris"))


def described(values):
    return [(value.name, value.type, value.shape) for value in values]


def test_every_folder_under_models_is_tested():
    folders = {path.parent.name for path in REPOSITORY.glob("models/*/model.yaml")}
    assert folders == {*NAMES, *HEAVY, *TASKS}


def test_iris_answers_all_150_rows_as_scikit_learn_does(iris):
    rows = load_iris().data
    model = iris.trained()

    answer = iris.infer({"measurements": rows.astype(np.float32)})

    assert len(rows) == 150
    assert answer["label"].tolist() == model.predict(rows).tolist()
    assert np.abs(answer["probabilities"] - model.predict_proba(rows)).max() <= 1e-5


def test_iris_has_exactly_a_label_and_its_probabilities(iris):
    assert described(iris.session.get_inputs()) == [("measurements", "tensor(float)", [None, 4])]
    assert described(iris.session.get_outputs()) == [
        ("label", "tensor(int64)", [None]),
        ("probabilities", "tensor(float)", [None, 3]),
    ]


def test_golden_requests_hold_within_the_declared_tolerance(bundle):
    for line in bundle.golden:
        pair = json.loads(line)
        request = read_request(json.dumps(pair["request"]), None, bundle.signature)
        answer = bundle.infer({tensor.name: tensor.array for tensor in request.inputs})

        assert pair["response"]["outputs"]
        for output in pair["response"]["outputs"]:
            array = answer[output["name"]]
            assert golden.datatype(array.dtype) == output["datatype"]
            assert list(array.shape) == output["shape"]
            worst = np.abs(array.ravel() - np.array(output["data"])).max()
            assert worst <= bundle.declared.golden_tolerance


def test_golden_requests_are_the_held_out_rows_in_batches_of_several_lengths(bundle):
    requests = [json.loads(line)["request"]["inputs"][0] for line in bundle.golden]
    values = [value for request in requests for value in request["data"]]
    lengths = [request["shape"][0] for request in requests]

    assert lengths[:3] == [1, 2, 4]
    assert sum(lengths) == len(bundle.held_out)
    assert np.array_equal(np.array(values, np.float32), bundle.held_out.ravel())


def test_golden_outputs_are_those_of_scikit_learn(bundle):
    expected = bundle.build.expected(bundle.trained(), bundle.held_out)

    for name, array in expected.items():
        outputs = [json.loads(line)["response"]["outputs"] for line in bundle.golden]
        data = [v for some in outputs for o in some if o["name"] == name for v in o["data"]]
        assert np.array_equal(np.array(data, array.dtype), array.ravel())


def test_the_artifact_keeps_to_the_pinned_opsets_and_has_no_zip_map(bundle):
    graph = onnx.load(bundle.artifact)
    onnx.checker.check_model(graph, full_check=True)

    for used in graph.opset_import:
        assert used.version <= bundle.build.OPSETS[used.domain]
    assert "ZipMap" not in {node.op_type for node in graph.graph.node}


def test_the_artifact_takes_any_number_of_rows(bundle):
    (given,) = bundle.session.get_inputs()
    assert given.type == "tensor(float)"
    assert given.shape == [None, bundle.held_out.shape[1]]

    for rows in (1, 3):
        answer = bundle.infer({given.name: bundle.held_out[:rows]})
        assert {len(array) for array in answer.values()} == {rows}


def test_building_twice_gives_the_same_bytes(bundle, tmp_path):
    bundle.build.build(tmp_path)

    for name in ("model.onnx", "golden.jsonl"):
        assert (tmp_path / name).read_bytes() == (bundle.folder / name).read_bytes()


def test_a_build_leaves_only_the_artifact_and_its_golden_requests(bundle):
    assert sorted(p.name for p in bundle.folder.iterdir()) == ["golden.jsonl", "model.onnx"]


def test_a_build_says_what_it_made_in_one_line(bundle):
    assert bundle.said.startswith(f"{bundle.name}: ")
    assert "held-out" in bundle.said
    assert "\n" not in bundle.said


def test_a_build_runs_from_any_folder(tmp_path):
    script = REPOSITORY / "models" / "iris" / "build.py"
    code = (
        f"import runpy, sys; sys.path[0] = {str(script.parent)!r}; runpy.run_path({str(script)!r})"
    )

    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=tmp_path, check=True)


def test_model_yaml_names_the_folder_and_the_built_files(bundle):
    assert bundle.declared.name == bundle.name
    assert (bundle.folder / bundle.declared.artifact).is_file()
    assert (bundle.folder / bundle.declared.golden).is_file()


def test_only_digits_asks_for_a_function_of_its_own(bundle):
    own = Compute(target="lambda", memory_mib=1769)
    assert bundle.declared.compute == (own if bundle.name == "digits" else Compute())
