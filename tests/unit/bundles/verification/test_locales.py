"""Locales that Lambda lacks: refused with the way out, or replaced by one that changes alike."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto, helper

from serval.bundles.verification.graph import graph_reasons
from serval_cli.bundle.graph_locales import use_locales_of_lambda

TEXTS = ["GREAT Film", "ÄRGER über ÉCLAIRS", "ΩΜΕΓΑ", "ЖУК", "a"]


def normalizer(**attributes: Any) -> ModelProto:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("StringNormalizer", ["x"], ["y"], **attributes)],
        "g",
        [value("x", TensorProto.STRING, [None])],
        [value("y", TensorProto.STRING, [None])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def lowered(model: ModelProto) -> list[str]:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return list(session.run(None, {"x": np.array(TEXTS, object)})[0])


NEEDS = [
    {"case_change_action": "LOWER"},
    {"case_change_action": "UPPER", "locale": "en_GB.UTF-8"},
    {"case_change_action": "LOWER", "locale": "de_DE"},
    {"case_change_action": "LOWER", "locale": ""},
    {"stopwords": ["a"]},
]
NEEDS_NONE: list[dict[str, Any]] = [
    {},
    {"locale": "en_US.UTF-8"},
    {"case_change_action": "LOWER", "locale": "C"},
    {"case_change_action": "LOWER", "locale": "POSIX"},
    {"case_change_action": "LOWER", "locale": "C.UTF-8"},
    {"stopwords": ["a"], "is_case_sensitive": 1},
]


@pytest.mark.parametrize("attributes", NEEDS)
def test_a_locale_that_lambda_lacks_is_refused_with_the_way_out(attributes: dict[str, Any]) -> None:
    model = normalizer(**attributes)
    model.producer_name = "skl2onnx"
    [reason] = graph_reasons(model, "model.onnx", {})
    assert f"the locale {attributes.get('locale', 'en_US.UTF-8')!r}" in reason
    assert "`serval init NAME --from FILE` sets 'C.UTF-8'" in reason
    assert "options={TfidfVectorizer: {'locale': 'C.UTF-8'}}" in reason


@pytest.mark.parametrize("attributes", NEEDS_NONE)
def test_other_normalizers_are_allowed_and_open(attributes: dict[str, Any]) -> None:
    model = normalizer(**attributes)
    before = model.SerializeToString()
    assert graph_reasons(model, "model.onnx", {}) == use_locales_of_lambda(model) == []
    assert model.SerializeToString() == before
    lowered(model)


@pytest.mark.parametrize("attributes", NEEDS)
def test_the_locale_is_replaced_by_one_that_is_there(attributes: dict[str, Any]) -> None:
    model = normalizer(**attributes)
    assert len(use_locales_of_lambda(model)) == 1
    assert graph_reasons(model, "model.onnx", {}) == []
    lowered(model)


def test_letters_of_all_scripts_change_as_python_changes_them() -> None:
    model = normalizer(case_change_action="LOWER")
    use_locales_of_lambda(model)
    assert lowered(model) == [text.lower() for text in TEXTS]


def test_letters_change_alike_whatever_the_locale_of_the_process(tmp_path: Path) -> None:
    model = normalizer(case_change_action="LOWER")
    use_locales_of_lambda(model)
    onnx.save(model, tmp_path / "model.onnx")
    program = (
        "import onnxruntime, numpy, sys; s = onnxruntime.InferenceSession(sys.argv[1]);"
        "print(s.run(None, {'x': numpy.array(['É'], object)})[0][0] == 'é')"
    )
    for locale in ("C", "C.UTF-8", "en_US.UTF-8"):
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / "model.onnx")],
            env={**os.environ, "LC_ALL": locale, "LANG": locale},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == "True\n"


@pytest.mark.parametrize("locale", ["tr_TR.UTF-8", "az_AZ"])
def test_a_language_with_an_i_of_its_own_is_refused(locale: str) -> None:
    model = normalizer(case_change_action="LOWER", locale=locale)
    assert use_locales_of_lambda(model) == []
    [reason] = graph_reasons(model, "model.onnx", {})
    assert "no other has its rules for I" in reason
