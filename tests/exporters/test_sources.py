"""Networks as their libraries save them: ``serval init --from`` converts them, and they answer.

The command runs in the environment that has the libraries; the bundle is published from ours.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.exporters.asking import (
    EXPORTED,
    WITH_LIBRARIES,
    ask_tensors,
    init,
    largest_difference,
    publish,
)
from tests.local.conftest import LocalStage

NAMES = sorted(path.name for path in EXPORTED.glob("sources-*"))


def init_source(name: str, folder: Path, *words: Any) -> Any:
    [source] = (EXPORTED / name).glob("model.*")
    trust = ["--trust"] if source.suffix == ".pt2" else []
    return init(name, source, folder, *trust, *words, python=WITH_LIBRARIES)


def test_every_library_has_left_its_networks() -> None:
    assert {name.split("-")[1] for name in NAMES} == {"pt2", "keras", "tensorflow"}


@pytest.mark.parametrize("name", NAMES)
def test_a_converted_network_answers_as_the_original(
    name: str, stage: LocalStage, tmp_path: Path, difference: Callable[[str, float], None]
) -> None:
    made = init_source(name, tmp_path / "bundle", "--sample", EXPORTED / name / "inputs.npz")
    assert made.returncode == 0, made.stderr
    assert ": equal, the largest relative difference" in made.stderr
    model = publish(stage, tmp_path / "bundle")
    outputs = ask_tensors(stage, model, EXPORTED / name / "inputs.npz")
    with np.load(EXPORTED / name / "answers.npz") as kept:
        answers = [kept[key] for key in kept.files]
    pairs = zip([output.array for output in outputs], answers, strict=True)
    difference(name, max(largest_difference(*pair) for pair in pairs))


@pytest.mark.parametrize("name", NAMES)
def test_without_a_sample_the_inputs_are_drawn(name: str, tmp_path: Path) -> None:
    made = init_source(name, tmp_path / "bundle")
    assert made.returncode == 0, made.stderr
    assert "compared with the original on " in made.stderr
    requests = (tmp_path / "bundle/golden.jsonl").read_text().splitlines()
    assert json.loads(requests[0])["response"]["outputs"]


def test_a_program_of_torch_needs_trust(tmp_path: Path) -> None:
    source = EXPORTED / "sources-pt2-image" / "model.pt2"
    made = init("mine", source, tmp_path / "bundle", python=WITH_LIBRARIES)
    assert made.returncode == 1
    assert "has pickles in it" in made.stderr
    assert "add --trust" in made.stderr
