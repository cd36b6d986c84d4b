"""Models as other people's exporters write them: published, they answer as the originals do.

``make exporters`` makes the models, in an environment of its own, and runs this.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serval.models.tensor import Tensor
from tests.exporters.asking import (
    EXPORTED,
    TOLERANCE,
    ask_tensors,
    init,
    largest_difference,
    publish,
)
from tests.local.conftest import LocalStage

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
NAMES = sorted(
    path.parent.name
    for path in EXPORTED.glob("*/inputs.npz")
    if (path.parent / "model.onnx").exists()
)


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


def init_graph(exported: Exported, folder: Path, *words: Any) -> Any:
    return init(exported.name, exported.model, folder, *words)


def plain(output: Tensor) -> Any:
    """Return an output's array, of texts as the original has them."""
    if output.datatype != "BYTES":
        return output.array
    return np.array([text.decode() for text in output.array.ravel().tolist()], np.str_)


def test_every_exporter_has_left_its_models() -> None:
    families = {name.partition("-")[0] for name in NAMES}
    assert families == {
        *("sklearn", "xgboost", "lightgbm", "catboost", "torch", "transformers", "keras")
    }


@pytest.mark.parametrize("name", [name for name in NAMES if name not in REFUSED])
def test_a_published_model_answers_as_the_original(
    name: str, stage: LocalStage, tmp_path: Path, difference: Callable[[str, float], None]
) -> None:
    exported, folder = Exported(name), tmp_path / "bundle"
    made = init_graph(exported, folder, "--sample", exported.inputs)
    assert made.returncode == 0, made.stderr
    assert NAMED.get(name, "") in made.stderr
    outputs = ask_tensors(stage, publish(stage, folder), exported.inputs)
    if name not in NAMED:
        allowed = TOLERANCES.get(name, TOLERANCE)
        pairs = zip(map(plain, outputs), exported.answers, strict=True)
        difference(name, max(largest_difference(*pair, allowed) for pair in pairs))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in REFUSED])
def test_made_up_inputs_make_a_golden_request(name: str, tmp_path: Path) -> None:
    made = init_graph(Exported(name), tmp_path / "bundle")
    assert made.returncode == 0, made.stderr
    if name in NEEDS_A_SAMPLE:
        assert "give it real ones (--sample FILE)" in made.stderr
    else:
        assert (tmp_path / "bundle" / "golden.jsonl").exists()


@pytest.mark.parametrize("name", [name for name in NAMES if name in REFUSED])
def test_what_onnx_runtime_does_not_load_is_refused_with_the_way_out(
    name: str, tmp_path: Path
) -> None:
    made = init_graph(Exported(name), tmp_path / "bundle")
    assert (made.returncode, made.stdout) == (1, "")
    assert REFUSED[name] in made.stderr
    assert not (tmp_path / "bundle").exists()
