"""Models as other people's exporters write them: published, they answer as the originals do.

``make exporters`` makes the models, in an environment of its own, and runs this.
"""

import json
import subprocess
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serval.models.signature import Signature
from serval.models.tensor import Tensor
from serval_cli.api.inference import InferenceApi
from serval_cli.api.tensor_call import call
from serval_cli.bundle.samples.files import read_sample
from tests.exporters.conftest import EXPORTED
from tests.local.conftest import ROOT, LocalStage

REFUSED = {"sklearn-doubles": "convert the model with inputs of FloatTensorType"}
"""What ONNX Runtime does not load → the way out."""
NAMED = {
    "torch-training-mode": "operator Dropout (node '/body/body.3/Dropout') is in training mode"
}
"""What is published, and answers otherwise than the original, because it was exported wrongly."""
NEEDS_A_SAMPLE = frozenset({"sklearn-strings"})
"""Categories are those of training, and an empty text is none."""
TOLERANCES = {"transformers-bert-legacy": 5e-3}
"""The file that the exporter writes is this far from the original, whatever runs it."""
TOLERANCE = 1e-4
NAMES = sorted(path.parent.name for path in EXPORTED.glob("*/inputs.npz"))


@dataclass(frozen=True)
class Exported:
    """An exported model, with a request and what the original answers."""

    name: str

    @property
    def model(self) -> Path:
        return EXPORTED / self.name / "model.onnx"

    @property
    def inputs(self) -> Path:
        return EXPORTED / self.name / "inputs.npz"

    @property
    def answers(self) -> list[Any]:
        with np.load(EXPORTED / self.name / "answers.npz") as kept:
            return [kept[name] for name in kept.files]


def init(exported: Exported, folder: Path, *, sample: bool) -> Any:
    name = f"{exported.name[:50]}-{uuid.uuid4().hex[:6]}"
    words = ["init", name, "--from", str(exported.model), "--dir", str(folder)]
    return subprocess.run(
        [
            *(sys.executable, "-m", "serval_cli.main", *words, "--json"),
            *(("--sample", str(exported.inputs)) if sample else ()),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def answered(stage: LocalStage, model: str, exported: Exported) -> Sequence[Tensor]:
    """Ask the live model."""
    api = InferenceApi.of(stage.api_url, stage.api_key, trust_environment=False)
    with api.client:
        signature = Signature.from_json(api.metadata(model, None))
        inputs = read_sample(exported.inputs, signature)
        return call(api, model, None, inputs, signature.outputs).outputs


def assert_same(name: str, output: Any, answer: Any) -> None:
    """Compare an output with what the original answers: labels exactly, numbers nearly."""
    if output.datatype == "BYTES":
        assert [text.decode() for text in output.array.ravel().tolist()] == answer.ravel().tolist()
        return
    assert output.array.shape == answer.shape
    tolerance = TOLERANCES.get(name, TOLERANCE)
    np.testing.assert_allclose(output.array, answer, rtol=tolerance, atol=tolerance)


def test_every_exporter_has_left_its_models() -> None:
    families = {name.partition("-")[0] for name in NAMES}
    assert families == {
        *("sklearn", "xgboost", "lightgbm", "catboost", "torch", "transformers", "keras")
    }


@pytest.mark.parametrize("name", [name for name in NAMES if name not in REFUSED])
def test_a_published_model_answers_as_the_original(
    name: str, stage: LocalStage, tmp_path: Path
) -> None:
    exported, folder = Exported(name), tmp_path / "bundle"
    made = init(exported, folder, sample=True)
    assert made.returncode == 0, made.stderr
    assert NAMED.get(name, "") in made.stderr
    model = json.loads(made.stdout)["model"]
    stage.serval("push", str(folder), "--wait")
    outputs = answered(stage, model, exported)
    for output, answer in zip(outputs, exported.answers, strict=True):
        if name not in NAMED:
            assert_same(name, output, answer)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in REFUSED])
def test_made_up_inputs_make_a_golden_request(name: str, tmp_path: Path) -> None:
    made = init(Exported(name), tmp_path / "bundle", sample=False)
    assert made.returncode == 0, made.stderr
    if name in NEEDS_A_SAMPLE:
        assert "give it real ones (--sample FILE)" in made.stderr
    else:
        assert (tmp_path / "bundle" / "golden.jsonl").exists()


@pytest.mark.parametrize("name", [name for name in NAMES if name in REFUSED])
def test_what_onnx_runtime_does_not_load_is_refused_with_the_way_out(
    name: str, tmp_path: Path
) -> None:
    made = init(Exported(name), tmp_path / "bundle", sample=False)
    assert (made.returncode, made.stdout) == (1, "")
    assert REFUSED[name] in made.stderr
    assert not (tmp_path / "bundle").exists()
