"""Models as tabular libraries save them: `serval init --from`, and the bundle answers as they do.

The command runs in the environment that has the libraries; the bundle is opened in ours.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import onnx
import pytest
import yaml

from serval.bundles.onnx_signature import read_signature
from serval.inference.runtimes.onnx import OnnxModel
from serval.tasks.catalogue import open_task
from serval.tasks.files import TaskFiles
from serval.tasks.graph import TaskGraph
from serval.tasks.parameters import Parameters
from serval.tasks.table.rows import read_rows
from tests.exporters.conftest import EXPORTED
from tests.local.conftest import ROOT

PYTHON = ROOT / "build/environments/exporters/bin/python"
TOLERANCE = 1e-4
NAMES = sorted(path.parent.name for path in EXPORTED.glob("tables-*/answers.json"))
FILES = ("model.joblib", "model.pkl", "model.json", "model.ubj", "model.txt", "model.cbm")


def init(name: str, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    saved = EXPORTED / name
    found = next(saved / file for file in FILES if (saved / file).exists())
    source = saved if (saved / "MLmodel").exists() else found
    return subprocess.run(
        [
            *(PYTHON, "-m", "serval_cli.main", "init", "mine", "--from", source),
            *("--dir", folder, "--trust", *words),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "layers/core/python:cli"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def answer(folder: Path, rows: list[dict[str, Any]]) -> list[Any]:
    declared = yaml.safe_load((folder / "model.yaml").read_text())
    task = declared["task"] if isinstance(declared["task"], dict) else {"name": declared["task"]}
    signature = read_signature(onnx.load(folder / "model.onnx"))
    graph = TaskGraph(
        {spec.name: spec for spec in signature.inputs},
        {spec.name: spec for spec in signature.outputs},
        OnnxModel(folder / "model.onnx", 1769).run,
    )
    options = {**task, "columns": declared.get("columns")}
    files = TaskFiles(folder, lambda _: graph, options)
    return open_task(task["name"], files, graph).answer(rows, Parameters())


def test_every_library_has_left_its_models() -> None:
    families = {name.split("-")[1] for name in NAMES}
    assert families == {"sklearn", "xgboost", "lightgbm", "catboost", "mlflow"}


@pytest.mark.parametrize("name", NAMES)
def test_a_converted_model_answers_as_the_original(name: str, tmp_path: Path) -> None:
    folder, sample = tmp_path / "bundle", EXPORTED / name / "rows.csv"
    made = init(name, folder, "--sample", str(sample))
    assert made.returncode == 0, made.stderr
    assert "compared with the original on 40 rows of the sample: equal" in made.stderr
    declared = yaml.safe_load((folder / "model.yaml").read_text())
    assert declared["golden"] == "golden.jsonl"
    expected = json.loads((EXPORTED / name / "answers.json").read_text())
    rows = [
        {name: value for name, value in row.items() if name != "churn"}
        for row in read_rows(sample.read_bytes())
    ]
    given = answer(folder, rows)
    if isinstance(expected[0], str):
        assert given == expected
    else:
        assert given == pytest.approx(expected, rel=TOLERANCE)


@pytest.mark.parametrize("name", NAMES)
def test_without_a_sample_the_rows_are_drawn(name: str, tmp_path: Path) -> None:
    made = init(name, tmp_path / "bundle")
    assert made.returncode == 0, made.stderr
    assert "compared with the original on " in made.stderr
