"""Models as tabular libraries save them: `serval init --from`, and the bundle answers as they do.

The command runs in the environment that has the libraries; the bundle is published from ours.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from serval.tasks.table.rows import read_rows
from tests.exporters.asking import (
    EXPORTED,
    WITH_LIBRARIES,
    ask_task,
    init,
    largest_difference,
    publish,
)
from tests.local.conftest import LocalStage

NAMES = sorted(path.parent.name for path in EXPORTED.glob("tables-*/answers.json"))
FILES = ("model.joblib", "model.pkl", "model.json", "model.ubj", "model.txt", "model.cbm")


def init_table(name: str, folder: Path, *words: Any) -> Any:
    saved = EXPORTED / name
    found = next(saved / file for file in FILES if (saved / file).exists())
    source = saved if (saved / "MLmodel").exists() else found
    return init(name, source, folder, "--trust", *words, python=WITH_LIBRARIES)


def test_every_library_has_left_its_models() -> None:
    families = {name.split("-")[1] for name in NAMES}
    assert families == {"sklearn", "xgboost", "lightgbm", "catboost", "mlflow"}


@pytest.mark.parametrize("name", NAMES)
def test_a_converted_model_answers_as_the_original(
    name: str, stage: LocalStage, tmp_path: Path, difference: Callable[[str, float], None]
) -> None:
    folder, sample = tmp_path / "bundle", EXPORTED / name / "rows.csv"
    made = init_table(name, folder, "--sample", sample)
    assert made.returncode == 0, made.stderr
    assert "compared with the original on 40 rows of the sample: equal" in made.stderr
    assert yaml.safe_load((folder / "model.yaml").read_text())["golden"] == "golden.jsonl"
    rows = [
        {name: value for name, value in row.items() if name != "churn"}
        for row in read_rows(sample.read_bytes())
    ]
    model = publish(stage, folder)
    for call in json.loads((EXPORTED / name / "answers.json").read_text()):
        given = ask_task(stage, model, {"inputs": rows, "parameters": call["parameters"]})
        difference(name, largest_difference(given, call["answers"]))


@pytest.mark.parametrize("name", NAMES)
def test_without_a_sample_the_rows_are_drawn(name: str, tmp_path: Path) -> None:
    made = init_table(name, tmp_path / "bundle")
    assert made.returncode == 0, made.stderr
    assert "compared with the original on " in made.stderr
