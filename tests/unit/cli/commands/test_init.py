"""``serval init``: skeleton.py, golden_sample.py and the command."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from serval.bundles.bundle import read_bundle
from serval.bundles.onnx_signature import read_signature
from serval.bundles.verification.graph import load_graph
from serval.errors import BundleRefused
from serval.protocol.request import read_request
from serval.rollouts.golden.requests import read_golden
from serval_cli.bundle.folder import read_folder
from serval_cli.bundle.skeleton import new_folder, read_graph
from serval_cli.commands.publish.init import init
from serval_cli.failures import CommandFailed
from tests.fakes.init_command import golden, make, write_graph, write_nodes


def test_a_skeleton_can_be_published_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make(tmp_path, write_graph(tmp_path / "net.onnx", external=True))
    said = json.loads(capsys.readouterr().out)
    assert set(said["files"]) == set(read_folder(folder).sizes)
    assert set(said["files"]) == {
        "README.md",
        "golden.jsonl",
        "model.onnx",
        "model.yaml",
        "w.data",
    }


def test_model_yaml_says_only_what_is_needed(tmp_path: Path) -> None:
    folder = make(tmp_path, write_graph(tmp_path / "net.onnx"))
    bundle = read_bundle((folder / "model.yaml").read_bytes())
    assert bundle.model_fields_set == {"name", "golden"}


def test_the_commented_keys_of_model_yaml_are_right(tmp_path: Path) -> None:
    folder = make(tmp_path, None)
    text = (folder / "model.yaml").read_text().replace("\n# ", "\n")
    keys = [line for line in text.splitlines() if line.partition(":")[0].isidentifier()]
    assert len(keys) == 5
    uncommented = "\n".join(key.split("   ")[0] for key in keys)
    assert read_bundle(uncommented).compute.memory_mib == 3538


def test_the_readme_names_inputs_and_outputs_in_about_ten_lines(tmp_path: Path) -> None:
    lines = (
        (make(tmp_path, write_graph(tmp_path / "net.onnx")) / "README.md").read_text().splitlines()
    )
    assert "- Input `x` FP32 [-1, 2]" in lines
    assert 8 <= len(lines) <= 12


@pytest.mark.parametrize(
    ("datatype", "name", "row"),
    [
        (TensorProto.FLOAT, "FP32", [0.618, 0.236]),
        (TensorProto.DOUBLE, "FP64", [0.618, 0.236]),
        (TensorProto.INT64, "INT64", [0, 0]),
        (TensorProto.BOOL, "BOOL", [False, False]),
        (TensorProto.STRING, "BYTES", ["", ""]),
    ],
)
def test_the_golden_request_is_one_row_that_the_model_has_answered(
    tmp_path: Path, datatype: int, name: str, row: list[object]
) -> None:
    made = golden(make(tmp_path, write_graph(tmp_path / "net.onnx", datatype)))
    x = {"name": "x", "datatype": name, "shape": [1, 2], "data": row}
    assert made["request"] == {"inputs": [x]}
    outputs = made["response"]["outputs"]  # type: ignore[index]
    assert outputs[0] == x | {"name": "y"}
    assert outputs[1]["data"] == [1.0] * 64


def test_a_golden_request_of_half_precision_is_written_as_bytes(tmp_path: Path) -> None:
    folder = make(tmp_path, write_graph(tmp_path / "net.onnx", TensorProto.FLOAT16))
    [read] = read_golden("golden.jsonl", (folder / "golden.jsonl").read_bytes())
    assert read.expected[0].datatype == "FP16"
    assert read.header_length is not None


def test_without_a_file_it_says_where_to_put_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make(tmp_path, None)
    assert f"put the model's ONNX file at {folder}/model.onnx" in capsys.readouterr().err


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "precious").touch()
    with pytest.raises(CommandFailed, match="is there already"):
        make(tmp_path, None)


@pytest.mark.parametrize("name", ["", "Tiny", "a/b", "../a", "x" * 64])
def test_a_name_that_is_none_makes_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(CommandFailed, match="is not a model name"):
        make(tmp_path, None, name)
    assert not (tmp_path / "made").exists()


def test_a_file_that_could_not_be_published_makes_nothing(tmp_path: Path) -> None:
    write_graph(tmp_path / "net.onnx", external=True)
    (tmp_path / "w.data").unlink()
    with pytest.raises(BundleRefused, match=r"w.data is not in the bundle"):
        make(tmp_path, tmp_path / "net.onnx")
    with pytest.raises(CommandFailed, match="an ONNX file, an exported folder or a model"):
        make(tmp_path, tmp_path / "absent.onnx")
    assert not (tmp_path / "made").exists()


def test_a_scalar_input_gets_a_golden_request(tmp_path: Path) -> None:
    nodes = [helper.make_node("Mul", ["x", "alpha"], ["y"])]
    folder = make(tmp_path, write_nodes(tmp_path / "m.onnx", nodes, {"x": ["b", 3], "alpha": []}))
    assert golden(folder)["request"]["inputs"][1] == {  # type: ignore[index]
        "name": "alpha",
        "datatype": "FP32",
        "shape": [],
        "data": [0.618],
    }


def test_an_image_model_with_open_extents_gets_a_golden_request(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["pixels", "w"], ["c"], strides=[16, 16]),
        helper.make_node("GlobalAveragePool", ["c"], ["p"]),
        helper.make_node("Flatten", ["p"], ["y"]),
    ]
    weights = {"w": np.ones((4, 3, 16, 16), np.float32)}
    shape: list[object] = ["batch", "channels", "height", "width"]
    folder = make(tmp_path, write_nodes(tmp_path / "m.onnx", nodes, {"pixels": shape}, weights))
    (pixels,) = golden(folder)["request"]["inputs"]  # type: ignore[index]
    assert pixels["shape"] == [1, 3, 224, 224]


def test_a_model_that_fails_on_made_up_inputs_becomes_a_bundle_without_golden_requests(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    weights = {"w": np.ones((7, 2), np.float32)}
    source = write_nodes(tmp_path / "m.onnx", nodes, {"x": ["rows", "columns"]}, weights)
    folder = make(tmp_path, source)
    said = capsys.readouterr().err
    assert "no golden.jsonl: the model fails on made-up inputs (x [1, 1]: " in said
    assert "export it with fixed dimensions" in said
    assert set(read_folder(folder).sizes) == {"README.md", "model.onnx", "model.yaml"}


def test_a_graph_that_onnx_runtime_does_not_load_makes_nothing(tmp_path: Path) -> None:
    weights = {"w": np.ones(4, np.float32)}
    nodes = [
        helper.make_node("Gelu", ["x"], ["h"], domain="com.microsoft", nonsense=1),
        helper.make_node("MatMul", ["h", "w"], ["y"]),
    ]
    source = write_nodes(tmp_path / "m.onnx", nodes, {"x": ["rows", 3]}, weights)
    with pytest.raises(CommandFailed, match=r"m\.onnx: ONNX Runtime does not load it: "):
        make(tmp_path, source)
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_an_operator_without_a_kernel_here_is_a_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes = [helper.make_node("NhwcConv", ["x", "w"], ["y"], domain="com.microsoft")]
    weights = {"w": np.ones((1, 1, 1, 3), np.float32)}
    source = write_nodes(tmp_path / "m.onnx", nodes, {"x": ["b", 4, 4, 3]}, weights)
    make(tmp_path, source)
    assert "no golden.jsonl: the processor has no kernel for" in capsys.readouterr().err


def test_what_push_refuses_makes_nothing(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["h"], ["y"]), helper.make_node("Exp", ["nowhere"], ["h"])]
    source = write_nodes(tmp_path / "m.onnx", nodes, {"x": ["rows", 3]})
    with pytest.raises(BundleRefused, match="is not a valid ONNX model"):
        make(tmp_path, source)
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_a_failure_while_writing_leaves_nothing_and_the_next_run_succeeds(tmp_path: Path) -> None:
    source = write_graph(tmp_path / "net.onnx", external=True)
    target = tmp_path / "new" / "made"
    (tmp_path / "w.data").rename(tmp_path / "away")
    graph = replace(read_graph(write_graph(tmp_path / "whole.onnx")), external=("w.data",))
    with pytest.raises(FileNotFoundError), new_folder(target) as aside:
        graph.copy_to(aside)
    (tmp_path / "away").rename(tmp_path / "w.data")
    assert not (tmp_path / "new").exists()
    init("tiny", source, target)
    assert read_folder(target).bundle.name == "tiny"


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    folder = make(tmp_path, write_graph(tmp_path / "net.onnx"))
    assert read_folder(folder).bundle.name == "tiny"
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_a_file_of_another_format_is_answered_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n")
    with pytest.raises(BundleRefused, match=r"a pointer of Git LFS: .*git lfs pull"):
        make(tmp_path, tmp_path / "m.onnx")
    assert not (tmp_path / "made").exists()


def test_the_golden_request_of_a_detector_of_large_images_is_one_that_the_stage_takes(
    tmp_path: Path,
) -> None:
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["p"]),
        helper.make_node("Flatten", ["p"], ["y"]),
    ]
    source = write_nodes(tmp_path / "m.onnx", nodes, {"x": ["b", 3, 640, 640]})
    folder = make(tmp_path, source)
    [read] = read_golden("golden.jsonl", (folder / "golden.jsonl").read_bytes())
    signature = read_signature(load_graph(folder, "model.onnx"))
    [image] = read_request(read.body, read.header_length, signature).inputs
    assert image.array.shape[1:] == (3, 640, 640)
    assert set(read_folder(folder).sizes) == {
        "README.md",
        "golden.jsonl",
        "model.onnx",
        "model.yaml",
    }


def test_a_golden_request_that_is_longer_than_the_file_may_be_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["p"]),
        helper.make_node("Flatten", ["p"], ["y"]),
    ]
    make(tmp_path, write_nodes(tmp_path / "m.onnx", nodes, {"x": ["b", 3, 2400, 2400]}))
    assert "bytes, at most 33554432 allowed" in capsys.readouterr().err


def test_a_model_that_is_random_gets_no_golden_request_and_is_told_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes = [helper.make_node("Dropout", ["x", "ratio", "training"], ["y"])]
    weights = {"ratio": np.array(0.5, np.float32), "training": np.array(True)}
    folder = make(tmp_path, write_nodes(tmp_path / "m.onnx", nodes, {"x": [1, 64]}, weights))
    said = capsys.readouterr().err
    assert "no golden.jsonl: the model answers differently each time" in said
    assert "operator Dropout is in training mode" in said
    assert not (folder / "golden.jsonl").exists()
    read_folder(folder)


def test_an_answer_that_is_not_finite_is_not_taken_while_there_are_other_inputs(
    tmp_path: Path,
) -> None:
    """Dividing by how many there are beside the first gives infinity for a single one."""
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"], start=1),
        helper.make_node("Cast", ["shape"], ["count"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["count", "one"], ["others"]),
        helper.make_node("Div", ["x", "others"], ["y"]),
    ]
    weights = {"one": np.ones(1, np.float32)}
    shape: list[object] = ["rows", "length"]
    folder = make(tmp_path, write_nodes(tmp_path / "m.onnx", nodes, {"x": shape}, weights))
    [x] = golden(folder)["request"]["inputs"]  # type: ignore[index]
    assert x["shape"] == [1, 16]


def test_a_text_model_with_the_usual_locale_becomes_a_bundle_that_answers(tmp_path: Path) -> None:
    value = helper.make_tensor_value_info
    lower = helper.make_node("StringNormalizer", ["x"], ["y"], case_change_action="LOWER")
    kind = TensorProto.STRING
    graph = helper.make_graph([lower], "g", [value("x", kind, [None])], [value("y", kind, [None])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "m.onnx")
    folder = make(tmp_path, tmp_path / "m.onnx")
    assert golden(folder)["response"]["outputs"][0]["data"] == [""]  # type: ignore[index]
    read_folder(folder)
