"""`serval init --sample`: golden requests of real inputs."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from serval.bundles.bundle import read_bundle
from serval.rollouts.golden.requests import read_golden
from serval_cli.bundle.folder import read_folder
from serval_cli.commands.publish.init import init
from serval_cli.failures import CommandFailed
from tests.fakes.init_command import make, write_graph, write_nodes


def test_samples_make_the_golden_requests(tmp_path: Path) -> None:
    for number in range(2):
        np.save(tmp_path / f"{number}.npy", np.array([number, 0.5], np.float32))
    source = write_graph(tmp_path / "net.onnx")
    folder = make(tmp_path, source, "tiny", tmp_path / "0.npy", tmp_path / "1.npy")
    requests = read_golden("golden.jsonl", (folder / "golden.jsonl").read_bytes())
    assert [read.expected[0].array.tolist() for read in requests] == [[[0.0, 0.5]], [[1.0, 0.5]]]
    assert "mean nothing" not in (folder / "model.yaml").read_text()
    read_folder(folder)


def test_a_sample_that_the_model_does_not_take_makes_nothing(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((1, 3), np.float32))
    with pytest.raises(CommandFailed, match=r"x\.npy: input 'x' has shape \[1, 3\], \[-1, 2\] exp"):
        make(tmp_path, write_graph(tmp_path / "net.onnx"), "tiny", tmp_path / "x.npy")
    with pytest.raises(CommandFailed, match="--sample needs --from"):
        make(tmp_path, None, "tiny", tmp_path / "x.npy")
    assert not (tmp_path / "made").exists()


def test_a_sample_that_the_model_fails_on_makes_nothing(tmp_path: Path) -> None:
    nodes = [helper.make_node("Reshape", ["x", "shape"], ["y"])]
    source = write_nodes(tmp_path / "m.onnx", nodes, {"x": ["rows", "columns"]})
    model = onnx.load(source)
    model.graph.initializer.append(numpy_helper.from_array(np.array([-1, 4]), "shape"))
    onnx.save(model, source)
    np.save(tmp_path / "x.npy", np.ones((1, 3), np.float32))
    with pytest.raises(CommandFailed, match=r"no golden\.jsonl: the model fails on the sample"):
        make(tmp_path, source, "tiny", tmp_path / "x.npy")
    assert not (tmp_path / "made").exists()


TABLE = "account,tenure,debt\na,1,2\n"


INDEXED = ",tenure,debt\n0,1,2\n"


def test_the_header_of_a_sample_names_the_elements(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text(INDEXED)
    folder = make(tmp_path, write_graph(tmp_path / "net.onnx"), "tiny", rows)
    bundle = read_bundle((folder / "model.yaml").read_text())
    assert bundle.columns == {"x": ("tenure", "debt")}
    [line] = read_golden("golden.jsonl", (folder / "golden.jsonl").read_bytes())
    assert line.expected[0].array.tolist() == [[1, 2]]
    said = " ".join(capsys.readouterr().err.split())
    assert "columns of x are taken to be tenure, debt, in this order: check that the model" in said
    assert "x ← tenure=1, debt=2 (by name;" in said


def test_a_sample_with_a_column_more_is_refused(tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text(TABLE)
    with pytest.raises(CommandFailed, match="'account', 'tenure', 'debt'"):
        make(tmp_path, write_graph(tmp_path / "net.onnx"), "tiny", rows)


def test_columns_by_position_get_no_names(tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text(INDEXED)
    source = write_graph(tmp_path / "net.onnx")
    init("tiny", source, tmp_path / "made", [rows], positional=True, as_json=True)
    assert read_bundle((tmp_path / "made" / "model.yaml").read_text()).columns == {}
