"""`serval init --from` of a model folder of MLflow, as MLflow writes it."""

import json
from pathlib import Path
from typing import Any

import onnx
import pytest
import yaml
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from serval_cli.failures import CommandFailed
from tests.fakes.init_command import write_graph
from tests.fakes.tabular_models import make, save

NAMES = ["length", "width", "petal length", "petal width"]
SIGNATURE = [{"type": "double", "name": name, "required": True} for name in NAMES]
SKLEARN = {"pickled_model": "model.pkl", "serialization_format": "pickle"}


def write_mlmodel(folder: Path, flavours: dict[str, Any], **members: Any) -> Path:
    folder.mkdir()
    (folder / "MLmodel").write_text(yaml.safe_dump({"flavors": flavours, **members}))
    return folder


def flowers(folder: Path, **members: Any) -> Path:
    x, y = load_iris(return_X_y=True)
    write_mlmodel(folder, {"python_function": {}, "sklearn": SKLEARN}, **members)
    save(LogisticRegression(max_iter=500).fit(x, y), folder / "model.pkl")
    return folder


def test_the_signature_names_the_columns_and_the_example_is_the_sample(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = flowers(
        tmp_path / "model",
        signature={"inputs": json.dumps(SIGNATURE)},
        saved_input_example_info={"artifact_path": "input_example.json", "type": "dataframe"},
    )
    rows = {"columns": NAMES, "data": [[5.1, 3.5, 1.4, 0.2], [6, 3, 4.8, 1.8]]}
    (folder / "input_example.json").write_text(json.dumps(rows))
    made = make(tmp_path, folder)
    assert "compared with the original on 2 rows of the sample" in capsys.readouterr().err
    declared = yaml.safe_load((made / "model.yaml").read_text())
    assert declared["columns"] == {"features": NAMES}


def test_without_an_example_rows_are_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path, flowers(tmp_path / "model", signature={"inputs": json.dumps(SIGNATURE)}))
    said = capsys.readouterr().err
    assert "its columns are taken to be length, width, petal length, petal width" in said
    assert "200 drawn rows" in said


def test_the_pickle_of_a_folder_is_not_loaded_without_trust(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match=r"model\.pkl is a pickle: .*--trust"):
        make(tmp_path, flowers(tmp_path / "model"), trust=False)


def test_an_onnx_flavour_takes_the_columns_of_the_signature(tmp_path: Path) -> None:
    folder = write_mlmodel(
        tmp_path / "model",
        {"onnx": {"data": "net.onnx"}},
        signature={"inputs": json.dumps(SIGNATURE[:2])},
    )
    write_graph(folder / "net.onnx")
    made = make(tmp_path, folder, trust=False)
    declared = yaml.safe_load((made / "model.yaml").read_text())
    assert declared["columns"] == {"x": NAMES[:2]}
    assert onnx.load(made / "model.onnx").graph.input[0].name == "x"


def test_a_folder_that_serval_does_not_know_is_refused(tmp_path: Path) -> None:
    other = write_mlmodel(tmp_path / "other", {"spacy": {}})
    with pytest.raises(CommandFailed, match="has the flavours spacy: one of sklearn, xgboost"):
        make(tmp_path, other)
    lost = write_mlmodel(tmp_path / "lost", {"lightgbm": {"data": "model.lgb"}})
    with pytest.raises(CommandFailed, match=r"MLmodel: data: .*model\.lgb is not a file"):
        make(tmp_path, lost)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "MLmodel").write_text("a: [")
    with pytest.raises(CommandFailed, match=r"MLmodel is not YAML"):
        make(tmp_path, broken)
