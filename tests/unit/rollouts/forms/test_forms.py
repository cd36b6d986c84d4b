"""Forms: which are made of a bundle, which are left out, and why."""

import json
import platform
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serval.inference.cpu import class_of
from serval.inference.runtimes.onnx import OnnxModel
from serval.models.signature import TensorSpec
from serval.models.tensor import Tensor
from serval.rollouts.documents import OptimisedForms
from serval.rollouts.forms import forms
from serval.rollouts.forms.forms import make_forms
from tests.fakes.optimisation import (
    CPU_CLASS,
    convolving,
    growing,
    looking_up,
    multiplying,
    unpacked,
)

MEMORY_MIB = 1769
MAPS = Path("/proc/self/maps")


def made(
    folder: Path, artifact: bytes, *, golden: bytes | None = None, **bundle: Any
) -> OptimisedForms:
    files = {"model.onnx": artifact}
    if golden is not None:
        files["golden.jsonl"] = golden
        bundle["golden"] = "golden.jsonl"
    candidate = unpacked(files, folder, **bundle)
    return make_forms(candidate, folder, CPU_CLASS, MEMORY_MIB)


def request(values: list[float], name: str = "x") -> bytes:
    item = {"name": name, "datatype": "FP32", "shape": [1, len(values)], "data": values}
    outputs = [{"name": "y", "datatype": "FP32", "shape": [1, 1], "data": [0.0]}]
    line = {"request": {"inputs": [item]}, "response": {"outputs": outputs}}
    return json.dumps(line).encode() + b"\n"


def test_a_form_is_a_graph_and_the_weights_that_it_maps(tmp_path: Path) -> None:
    portable = made(tmp_path, multiplying()).forms[0]
    assert (portable.name, portable.cpu_class) == ("portable", None)
    assert portable.artifact == "optimised/portable/model.onnx"
    graph_file, data = portable.files
    assert (graph_file.path, data.path) == (portable.artifact, f"{portable.artifact}.data")
    assert graph_file.size_bytes < 10_000
    assert data.size_bytes >= 200 * 200 * 4


@pytest.mark.skipif(not MAPS.exists(), reason="this system has no /proc")
def test_a_session_maps_the_weights_of_a_form(tmp_path: Path) -> None:
    portable = made(tmp_path, looking_up()).forms[0]
    for form in (portable, replace(portable, cpu_class=CPU_CLASS)):
        model = OnnxModel(tmp_path / form.artifact, MEMORY_MIB, form)
        assert str(tmp_path / f"{form.artifact}.data") in MAPS.read_text()
        del model
    assert str(tmp_path) not in MAPS.read_text()


def test_the_same_graph_gives_the_same_bytes(tmp_path: Path) -> None:
    once, again = tmp_path / "once", tmp_path / "again"
    once.mkdir()
    again.mkdir()
    assert made(once, convolving()) == made(again, convolving())


def test_forms_answer_as_the_published_graph_does(tmp_path: Path) -> None:
    found = made(tmp_path, convolving())
    x = np.random.default_rng(1).random((3, 64, 8, 8), np.float32)
    answers = [
        OnnxModel(tmp_path / path, MEMORY_MIB, form)
        .run([Tensor("image", "FP32", x)], [TensorSpec("y", "FP32", (-1, 64, 8, 8))])[0]
        .array
        for path, form in [("model.onnx", None), *((f.artifact, f) for f in found.forms)]
    ]
    assert len(answers) >= 2
    for answer in answers[1:]:
        np.testing.assert_allclose(answer, answers[0], rtol=0, atol=1e-4)


def test_a_form_that_the_layout_does_not_change_is_left_out(tmp_path: Path) -> None:
    found = made(tmp_path, multiplying())
    assert [form.name for form in found.forms] == ["portable"]
    assert found.notes == (
        "form 'this-cpu' is left out: it is the same as 'portable', which any CPU opens",
    )


def test_convolutions_are_laid_out_where_the_cpu_has_blocks(tmp_path: Path) -> None:
    found = made(tmp_path, convolving())
    laid_out = next((form for form in found.forms if form.cpu_class), None)
    if laid_out is None and platform.machine() != "x86_64":
        pytest.skip(f"nothing is laid out on this CPU: {found.notes}")
    assert laid_out is not None, found.notes
    assert (laid_out.name, laid_out.cpu_class) == (CPU_CLASS, CPU_CLASS)
    assert b"ReorderInput" in (tmp_path / laid_out.artifact).read_bytes()
    assert b"ReorderInput" not in (tmp_path / found.forms[0].artifact).read_bytes()


def test_a_cpu_that_is_not_known_gets_no_form_of_its_own(tmp_path: Path) -> None:
    candidate = unpacked({"model.onnx": convolving()}, tmp_path)
    found = make_forms(candidate, tmp_path, class_of("x86_64", []), MEMORY_MIB)
    assert [form.name for form in found.forms] == ["portable"]
    assert found.notes == ("form 'x86_64-unknown' is left out: the CPU's features are not known",)


@pytest.fixture
def saving(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """Let the optimiser save another graph."""

    def save(another: bytes) -> None:
        def save_form(artifact: Path, folder: Path, *, laid_out: bool) -> None:
            folder.mkdir(parents=True)
            (folder / "model.onnx").write_bytes(another)

        monkeypatch.setattr(forms, "save_form", save_form)

    return save


def test_a_form_that_answers_differently_is_left_out(
    tmp_path: Path, saving: Callable[[bytes], None]
) -> None:
    saving(multiplying(seed=1))
    found = made(tmp_path, multiplying())
    assert found.forms == ()
    assert len(found.notes) == 2
    assert found.notes[0].startswith(
        "form 'portable' is left out: it does not answer as the published graph does: "
        "output 'y': element ["
    )
    assert "is over golden_tolerance 0.0001" in found.notes[0]


def test_the_tolerance_is_the_bundles_own(tmp_path: Path, saving: Callable[[bytes], None]) -> None:
    saving(multiplying(seed=1))
    found = made(tmp_path, multiplying(), golden_tolerance=100.0)
    assert [form.name for form in found.forms] == ["portable"]


@pytest.mark.parametrize(
    ("another", "problem"),
    [
        (looking_up(least=1000), "it fails where the published graph answers: "),
        (b"not a graph" + bytes(100), "ONNX Runtime cannot open it: "),
    ],
)
def test_a_form_that_does_not_work_is_left_out(
    tmp_path: Path, saving: Callable[[bytes], None], another: bytes, problem: str
) -> None:
    saving(another)
    found = made(tmp_path, looking_up())
    assert found.forms == ()
    assert found.notes[0].partition(problem)[1:] != ("", "")


def test_a_nan_of_the_published_graph_is_a_nan_of_the_form(tmp_path: Path) -> None:
    assert made(tmp_path, multiplying("Sqrt")).forms[0].name == "portable"


def test_forms_are_compared_on_the_golden_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[float]] = []
    run = OnnxModel.run

    def noting(self: OnnxModel, inputs: Any, outputs: Any) -> Any:
        asked.append(inputs[0].array[0, :2].tolist())
        return run(self, inputs, outputs)

    monkeypatch.setattr(OnnxModel, "run", noting)
    golden = request([1.0, 2.0] * 100) + request([3.0, 4.0] * 100) + request([5.0])
    assert made(tmp_path, multiplying(), golden=golden).forms[0].name == "portable"
    # By the published graph, then by the form; the third request does not fit the signature.
    assert asked == [[1.0, 2.0], [3.0, 4.0]] * 2


@pytest.mark.parametrize("golden", [b"", b"not json\n", b"{}\n", request([1.0], "other")])
def test_golden_requests_that_cannot_be_read_are_the_golden_checks_business(
    tmp_path: Path, golden: bytes
) -> None:
    assert made(tmp_path, multiplying(), golden=golden).forms[0].name == "portable"


def test_a_graph_that_answers_nothing_has_no_forms(tmp_path: Path) -> None:
    found = made(tmp_path, looking_up(least=1000))
    assert found.forms == ()
    assert found.notes == (
        "no forms: the model answers neither its golden requests nor made-up ones, so nothing "
        "tells whether a form answers the same",
    )


def test_a_form_that_grows_is_left_out(tmp_path: Path) -> None:
    found = made(tmp_path, growing())
    assert found.forms == ()
    assert re.fullmatch(
        r"form 'portable' is left out: it has 4\d{6} bytes, the published artifact \d{3}",
        found.notes[0],
    )


def test_a_form_that_cannot_be_saved_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any, laid_out: bool) -> None:
        raise forms.FormNotSaved("not implemented")

    monkeypatch.setattr(forms, "save_form", failing)
    found = made(tmp_path, multiplying())
    assert found.forms == ()
    expected = "form 'portable' is left out: ONNX Runtime cannot save it: not implemented"
    assert found.notes[0] == expected
