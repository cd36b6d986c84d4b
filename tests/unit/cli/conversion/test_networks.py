"""A converted network answers as the original, or nothing is made of it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from serval_cli.bundle.sources import Source, SourceChoices, read_source
from serval_cli.conversion.tensors.build import OriginalNetwork, build_network_source
from serval_cli.conversion.tensors.of_keras import explain
from serval_cli.failures import CommandFailed

WEIGHTS = np.arange(6, dtype=np.float32).reshape(3, 2) / 10


def write_graph(target: Path) -> None:
    """Write ``y = x @ WEIGHTS``, and ``large``: where it is above 0."""
    floats, flags = TensorProto.FLOAT, TensorProto.BOOL
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["y"]),
            helper.make_node("Greater", ["y", "zero"], ["large"]),
        ],
        "g",
        [helper.make_tensor_value_info("x", floats, ["batch", 3])],
        [
            helper.make_tensor_value_info("y", floats, ["batch", 2]),
            helper.make_tensor_value_info("large", flags, ["batch", 2]),
        ],
        [
            numpy_helper.from_array(WEIGHTS, "w"),
            numpy_helper.from_array(np.float32(0), "zero"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, target)


def network(predict: Any, **changes: Any) -> OriginalNetwork:
    given = {"about": "a network", "convert": write_graph, "predict": predict}
    return OriginalNetwork(**given | changes)


def build(
    folder: Path, predict: Any, samples: Sequence[Path] = (), **changes: Any
) -> tuple[Source, list[Any]]:
    """Build a source, and give it with its golden requests."""
    original = network(predict, **changes)
    source = build_network_source(Path("m.x"), original, SourceChoices(folder, samples=samples))
    return source, [json.loads(line) for line in (source.golden or "").splitlines()]


def right(named: Any) -> list[Any]:
    y = named["x"] @ WEIGHTS
    return [y, y > 0]


def test_what_was_compared_is_the_golden_file(tmp_path: Path) -> None:
    source, golden = build(tmp_path, right, example={"x": np.ones((1, 3), np.float32)})
    assert [one["request"]["inputs"][0]["shape"] for one in golden] == [[1, 3], [3, 3]]
    assert "on x [1, 3]; x [3, 3]: equal" in source.found[1]


def test_a_sample_is_compared_and_nothing_is_drawn(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([[1, 2, 3]], np.float32))
    _, [golden] = build(tmp_path, right, [tmp_path / "x.npy"])
    assert golden["request"]["inputs"][0]["data"] == [1, 2, 3]


@pytest.mark.parametrize(("positional", "columns"), [(False, {"x": ("a", "b", "c")}), (True, {})])
def test_a_table_is_a_sample_whose_header_names_the_columns(
    tmp_path: Path, positional: bool, columns: Any
) -> None:
    (tmp_path / "rows.csv").write_text("a,b,c\n1,2,3\n")
    choices = SourceChoices(tmp_path, samples=[tmp_path / "rows.csv"], positional=positional)
    source = build_network_source(Path("m.x"), network(right), choices)
    assert source.columns == columns
    assert json.loads(source.golden or "")["request"]["inputs"][0]["data"] == [1, 2, 3]


@pytest.mark.parametrize(
    ("predict", "why"),
    [
        (lambda named: [named["x"] @ WEIGHTS * 1.01, named["x"] @ WEIGHTS > 0], "'y' has a rel"),
        (lambda named: [named["x"] @ WEIGHTS, named["x"] @ WEIGHTS > 0.1], "'large' has a rel"),
        (lambda named: [named["x"] @ WEIGHTS * np.nan, right(named)[1]], "difference of nan"),
        (lambda named: [named["x"], right(named)[1]], r"shape \[3, 2\], \[3, 3\] to the original"),
        (lambda named: right(named)[:1], "2 outputs, and 1 of the original"),
    ],
)
def test_another_answer_than_the_original_is_refused(
    tmp_path: Path, predict: Any, why: str
) -> None:
    with pytest.raises(CommandFailed, match=rf"m.x: .* otherwise .* x \[3, 3\]: .*{why}"):
        build(tmp_path, predict)


def refuse(_: Any) -> Any:
    raise ValueError("not these")


def test_inputs_that_the_original_does_not_take_are_not_compared(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match=r"takes none of the drawn inputs .*--sample FILE"):
        build(tmp_path, refuse)
    np.save(tmp_path / "x.npy", np.ones((1, 3), np.float32))
    with pytest.raises(CommandFailed, match=r"x.npy: the original does not take it: not these"):
        build(tmp_path, refuse, [tmp_path / "x.npy"])


def test_a_network_that_cannot_be_converted_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match=r"m.x: it cannot be converted: not these"):
        build(tmp_path, right, convert=refuse)
    with pytest.raises(CommandFailed, match=r"m.x: it cannot be converted: .*text"):
        build(tmp_path, right, convert=lambda target: target.write_text("not a graph"))


def test_a_program_of_torch_needs_trust(tmp_path: Path) -> None:
    (tmp_path / "m.pt2").write_bytes(b"PK")
    with pytest.raises(CommandFailed, match=r"m.pt2 has pickles in it.*add --trust"):
        read_source(tmp_path / "m.pt2", SourceChoices(tmp_path))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Requested the deserialization of a Lambda layer: pass `safe_mode=False`", "add --trust"),
        ("<class 'Sequential'> could not be deserialized properly.", "where its code is, "),
        ("File not found: Please ensure the file is an accessible `.keras` zip file.", "a zip"),
        ("no such layer", "no such layer"),
    ],
)
def test_what_keras_says_of_a_file_is_told_with_the_way_out(said: str, told: str) -> None:
    assert told in explain(said)
