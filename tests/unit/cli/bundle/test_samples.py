"""serval_cli/bundle/samples: inputs from files, refused where they do not fit."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from serval.batch.input.columns import ColumnChoice
from serval.models.signature import Signature, TensorSpec
from serval_cli.bundle.samples import images
from serval_cli.bundle.samples.files import read_sample
from serval_cli.failures import CommandFailed

X = TensorSpec("x", "FP32", (-1, 2))
IDS = TensorSpec("ids", "INT64", (-1, -1))
TEXT = TensorSpec("text", "BYTES", (-1,))
NCHW = TensorSpec("image", "FP32", (-1, 3, 4, 8))
BOTH = {"text": ["a"], "x": [1, 2]}
V2 = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}
Write = Callable[[Path], object]


def npy(array: Any) -> Write:
    return lambda path: np.save(path, array)


def npz(**arrays: Any) -> Write:
    return lambda path: np.savez(path, **arrays)


def text(written: str) -> Write:
    return lambda path: path.write_text(written)


def document(value: Any) -> Write:
    return text(json.dumps(value))


def read(folder: Path, suffix: str, write: Write, *specs: TensorSpec) -> dict[str, Any]:
    path = folder / f"sample{suffix}"
    write(path)
    return {
        tensor.name: tensor.array.tolist() for tensor in read_sample(path, Signature(specs, ()))
    }


@pytest.mark.parametrize(
    ("suffix", "write", "specs", "found"),
    [
        (".npy", npy(np.array([[1.0, 2.0]])), [X], {"x": [[1, 2]]}),
        (".npy", npy(np.array([1, 2])), [X], {"x": [[1, 2]]}),
        (".npy", npy(np.array(["é", "b"])), [TEXT], {"text": ["é".encode(), b"b"]}),
        (".npy", npy(np.int64(7)), [TensorSpec("n", "INT32", ())], {"n": 7}),
        (".npz", npz(anything=[[1.0, 2.0]]), [X], {"x": [[1, 2]]}),
        (
            ".npz",
            npz(ids=np.array([[3, 4]], np.int32), x=[[1.0, 2.0]]),
            [X, IDS],
            {"x": [[1, 2]], "ids": [[3, 4]]},
        ),
        (".json", document([[1, 2.5]]), [X], {"x": [[1, 2.5]]}),
        (".json", document(BOTH), [X, TEXT], {"x": [[1, 2]], "text": [b"a"]}),
        (".json", document({"inputs": [V2]}), [X], {"x": [[1, 2]]}),
        (".csv", text("x_1,other,x_0\n2,a,1\n4,b,3\n"), [X], {"x": [[1, 2], [3, 4]]}),
        (".csv", text("\ufeff,X_0,x_1\n7,1,2\n8,3,4\n"), [X], {"x": [[1, 2], [3, 4]]}),
        (".csv", text("x_0;x_1\n1;2\n"), [X], {"x": [[1, 2]]}),
        (".csv", text("1,2\n3,4\n"), [X], {"x": [[1, 2], [3, 4]]}),
        (".csv", text("ids\n1\n"), [IDS], {"ids": [[1]]}),
        (".csv", text("text\nlong\nshort\n"), [TEXT], {"text": [b"long", b"short"]}),
        (".csv", text('text,x.0,x.1\n"a, b",1,2\n'), [X, TEXT], {"x": [[1, 2]], "text": [b"a, b"]}),
    ],
)  # fmt: skip
def test_inputs_are_read_by_name_and_kind(
    tmp_path: Path, suffix: str, write: Write, specs: list[TensorSpec], found: dict[str, Any]
) -> None:
    assert read(tmp_path, suffix, write, *specs) == found


@pytest.mark.parametrize(
    ("choice", "found", "how"),
    [
        (
            ColumnChoice(features={"x": ["long", "wide"]}),
            [[2, 1]],
            "long=2, wide=1 (by name; values of the first record)",
        ),
        (
            ColumnChoice(positional=True),
            [[1, 2]],
            "wide=1, long=2 (by position; values of the first record)",
        ),
    ],
)
def test_the_columns_of_a_table_are_chosen_and_shown(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    choice: ColumnChoice,
    found: list[list[float]],
    how: str,
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(",wide,long\n0,1,2\n")
    [tensor] = read_sample(path, Signature((X,), ()), choice)
    assert tensor.array.tolist() == found
    assert f"rows.csv: x ← {how}" in capsys.readouterr().err.replace("\n", " ")


def test_an_empty_cell_is_a_missing_number(tmp_path: Path) -> None:
    [[first, second]] = read(tmp_path, ".csv", text("x_0,x_1\n,2\n"), X)["x"]
    assert np.isnan(first)
    assert second == 2


@pytest.mark.parametrize(
    ("suffix", "write", "specs", "said"),
    [
        (".npy", npy(np.ones((1, 3))), [X], r"has shape \[1, 3\], \[-1, 2\] expected"),
        (".npy", npy(np.ones((2, 2))), [IDS], "is of float64, INT64 expected"),
        (".npy", npy(np.array(["a"])), [TensorSpec("n", "FP32", (-1,))], "is of <U1, FP32 exp"),
        (".npy", npy(np.array([300])), [TensorSpec("n", "UINT8", (-1,))], "UINT8 does not hold"),
        (".npy", npy(np.array([1e39])), [TensorSpec("n", "FP32", (-1,))], "FP32 does not hold"),
        (".npy", npy(np.array([1.0])), [TEXT], "texts expected"),
        (".npy", npy(np.array([1.0])), [X, TEXT], r"is for one input, .* x, text: give a \.npz"),
        (".npy", text("no array"), [X], "not a numpy file"),
        (".npz", npz(x=[[1.0, 2.0]]), [X, IDS], r"has x; the model takes x, ids: all of them"),
        (".npz", npz(x=[[1.0, 2.0]], y=[1], ids=[[1]]), [X, IDS], "has x, y, ids"),
        (".json", text("{"), [X], "is not JSON"),
        (
            ".json",
            document({"inputs": [{"name": "x", "data": [1]}]}),
            [X],
            "not an inference request",
        ),
        (".csv", text("a,b,c\n1,2,3\n"), [X], "'a', 'b', 'c'.* of the bundle's model.yaml"),
        (".csv", text("wide,long\n1,2\n"), [X], "'wide', 'long'.* of the bundle's model.yaml"),
        (".csv", text(",wide\n1,2\n"), [X], "'wide'.* of the bundle's model.yaml"),
        (".csv", text("1,2,3\n4,5,6\n"), [X], "3 columns and no header"),
        (".csv", text("a,b\n1,2,3\n"), [X], "header has 2 fields .*, each record 3"),
        (".csv", text("a,b\n1,2\n3,4,5\n"), [X], "'a', 'b'"),
        (".csv", text("x_0,x_1\n1,2\n3,4,5\n"), [X], "is not CSV"),
        (".csv", text("0,1\n1.5,2.5\n"), [X], "may be a header or not.* give it a header that"),
        (".csv", text(""), [X], "has no records"),
        (".csv", text("x_0,x_1\none,2\n"), [X], "input 'x': could not convert"),
        (".pkl", text(""), [X], r"\.npy, \.npz, \.json, \.csv or an image"),
        (".png", text("no image"), [NCHW], "is not an image: "),
        (".png", text(""), [X], r"of shape \[-1, 2\] is not an image: prepare it as in training"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(
    tmp_path: Path, suffix: str, write: Write, specs: list[TensorSpec], said: str
) -> None:
    with pytest.raises(CommandFailed, match=said):
        read(tmp_path, suffix, write, *specs)


def test_pickles_are_not_loaded(tmp_path: Path) -> None:
    array = np.array([{"a": 1}], object)
    with pytest.raises(CommandFailed, match=r"not a numpy file: .*allow_pickle"):
        read(tmp_path, ".npy", lambda path: np.save(path, array, allow_pickle=True), X)


def red(path: Path) -> None:
    Image.new("RGB", (16, 10), (255, 0, 51)).save(path)


@pytest.mark.parametrize(
    ("shape", "datatype", "expected", "pixel"),
    [
        ((-1, 3, 4, 8), "FP32", (1, 3, 4, 8), [1.0, 0.0, 0.2]),
        ((-1, 4, 8, 3), "FP32", (1, 4, 8, 3), [1.0, 0.0, 0.2]),
        ((-1, -1, -1, -1), "FP16", (1, 3, 224, 224), [1.0, 0.0, 0.2]),
        ((3, 4, 8), "UINT8", (3, 4, 8), [255, 0, 51]),
        ((1, 1, 4, 8), "FP32", (1, 1, 4, 8), [82 / 255]),
    ],
)
def test_an_image_is_scaled_to_the_input(
    tmp_path: Path,
    shape: tuple[int, ...],
    datatype: str,
    expected: tuple[int, ...],
    pixel: list[float],
) -> None:
    red(tmp_path / "red.png")
    [tensor] = read_sample(
        tmp_path / "red.png", Signature((TensorSpec("image", datatype, shape),), ())
    )
    assert tensor.array.shape == expected
    last = expected[-1] in (1, 3)
    corner = (
        tensor.array.reshape(expected[-3:])[0, 0]
        if last
        else tensor.array.reshape(expected[-3:])[:, 0, 0]
    )
    assert corner.tolist() == pytest.approx(pixel, abs=1e-3)


def test_without_pillow_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    red(tmp_path / "red.png")
    monkeypatch.setattr(images, "find_spec", lambda name: None)
    with pytest.raises(CommandFailed, match=r"`pip install pillow` reads images; or .* \.npy"):
        read_sample(tmp_path / "red.png", Signature((NCHW,), ()))


@pytest.mark.parametrize(
    ("suffix", "write"),
    [
        (".json", document({"x": [1, 2], "factor": [3]})),
        (".npz", npz(x=[[1.0, 2.0]], factor=[3.0])),
    ],
)
def test_an_optional_input_may_be_given(tmp_path: Path, suffix: str, write: Write) -> None:
    path = tmp_path / f"sample{suffix}"
    write(path)
    signature = Signature((X,), (), (TensorSpec("factor", "FP32", (1,)),))
    found = {t.name: t.array.tolist() for t in read_sample(path, signature)}
    assert found == {"x": [[1, 2]], "factor": [3]}
