"""serval_cli/bundle/folder.py: what belongs to a bundle, and whether it can be published."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from serval.errors import BundleRefused
from serval_cli.bundle.checksums import hash_files, manifest_of
from serval_cli.bundle.folder import read_folder
from serval_cli.failures import CommandFailed
from tests.fakes.served import on_fleet, served, tar

GOLDEN = (
    '{"request": {"inputs": []}, "response": {"outputs": ['
    '{"name": "y", "datatype": "FP32", "shape": [1], "data": [1]}]}}\n'
)


def model(**attributes: object) -> onnx.ModelProto:
    """Write a graph that multiplies by four rows of ones."""
    weights = numpy_helper.from_array(np.ones((4, 3), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], **attributes)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 3])],
        [weights],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle with external data, golden requests and things that are no part of it."""
    (tmp_path / "model.yaml").write_text("name: tiny\nartifact: a/net.onnx\ngolden: golden.jsonl\n")
    (tmp_path / "README.md").write_text("# tiny\n")
    (tmp_path / "golden.jsonl").write_text(GOLDEN)
    (tmp_path / "a").mkdir()
    onnx.save(
        model(),
        tmp_path / "a" / "net.onnx",
        save_as_external_data=True,
        location="net.data",
        size_threshold=0,
    )
    for stray in ("build.py", "weights.joblib", "__pycache__/x.pyc", "a/other.bin", ".cache/y"):
        (tmp_path / stray).parent.mkdir(exist_ok=True)
        (tmp_path / stray).write_text("stray")
    return tmp_path


def test_a_bundle_is_what_its_own_files_name(folder: Path) -> None:
    found = read_folder(folder)
    assert found.bundle.name == "tiny"
    assert set(found.sizes) == {
        "README.md",
        "a/net.data",
        "a/net.onnx",
        "golden.jsonl",
        "model.yaml",
    }


def test_the_manifest_has_every_files_checksum_and_size(folder: Path) -> None:
    read: list[int] = []
    found = read_folder(folder)
    manifest = manifest_of("net", hash_files(folder, found.sizes, read.append))
    raw = (folder / "a" / "net.data").read_bytes()
    listed = {file.path: file for file in manifest.files}
    assert listed["a/net.data"].sha256 == hashlib.sha256(raw).hexdigest()
    assert listed["a/net.data"].size_bytes == len(raw)
    assert sum(read) == found.total_bytes == sum(file.size_bytes for file in manifest.files)


def remove(path: str) -> Callable[[Path], object]:
    return lambda folder: (folder / path).unlink()


def write(path: str, text: str | bytes) -> Callable[[Path], object]:
    raw = text if isinstance(text, bytes) else text.encode()
    return lambda folder: (folder / path).write_bytes(raw)


YAML = "name: tiny\nartifact: a/net.onnx\n"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (remove("golden.jsonl"), "golden: 'golden.jsonl' is not a file"),
        (remove("a/net.onnx"), "artifact: 'a/net.onnx' is not a file"),
        (remove("a/net.data"), "external data at 'net.data': a/net.data is not in the bundle"),
        (write("a/net.onnx", b"\x80\x04N."), "a/net.onnx is not an ONNX model but a pickle"),
        (write("a/net.onnx", b"GIF89a"), "a/net.onnx is not an ONNX model"),
        (write("model.yaml", "name: Tiny\n"), "name: .*lower-case"),
        (write("model.yaml", "name: [\n"), "model.yaml is not YAML"),
        (write("model.yaml", YAML + "golden: golden.txt\n"), "golden: 'golden.txt' is not a file"),
        (write("golden.jsonl", GOLDEN + "{"), "golden.jsonl line 2: not JSON"),
        (write("golden.jsonl", '{"request": 1}\n'), "golden.jsonl line 1: 'request' is missing"),
        (
            write("a/net.onnx", model(domain="my.ops").SerializeToString()),
            "a/net.onnx uses operator my.ops::MatMul",
        ),
    ],
)
def test_a_bad_bundle_is_refused_before_anything_is_uploaded(
    folder: Path, spoil: Callable[[Path], object], reason: str
) -> None:
    spoil(folder)
    with pytest.raises(BundleRefused, match=reason):
        read_folder(folder)


def test_external_data_outside_the_bundle_is_refused(folder: Path) -> None:
    graph = onnx.load(folder / "a" / "net.onnx", load_external_data=False)
    for entry in graph.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = "../../secret"
    (folder / "a" / "net.onnx").write_bytes(graph.SerializeToString())
    with pytest.raises(BundleRefused, match=r"'../../secret': expected a path inside the bundle"):
        read_folder(folder)


def test_a_graph_without_a_tensor_signature_is_refused(folder: Path) -> None:
    graph = model()
    graph.graph.input[0].type.tensor_type.ClearField("shape")
    write("a/net.onnx", graph.SerializeToString())(folder)
    with pytest.raises(BundleRefused, match=r"a/net.onnx: input 'x' has no rank"):
        read_folder(folder)


def test_a_folder_without_a_bundle_says_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match=r"has no model.yaml and no pipeline.yaml: `serval"):
        read_folder(tmp_path)
    with pytest.raises(CommandFailed, match=r"does not exist: a folder with a model\.yaml or"):
        read_folder(tmp_path / "x")
    (tmp_path / "x").touch()
    with pytest.raises(CommandFailed, match="is a file"):
        read_folder(tmp_path / "x")


def write_all(folder: Path, files: dict[str, bytes]) -> Path:
    for path, body in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(body)
    return folder


def test_what_lies_beside_a_servers_artifact_belongs_to_it(tmp_path: Path) -> None:
    strays = ["build.py", "model/.cache/x", "model/__pycache__/y.pyc", "model/.DS_Store"]
    files = served() | {"model/tokenizer/vocab.txt": b"a"} | dict.fromkeys(strays, b"stray")
    assert set(read_folder(write_all(tmp_path, files)).sizes) == {
        "model.yaml",
        "model/config.json",
        "model/tokenizer/vocab.txt",
        "model/weights.tar",
    }


def test_a_servers_artifact_beside_model_yaml_stands_alone(tmp_path: Path) -> None:
    files = served(artifact="weights.tar") | {"build.py": b"", "data.bin": b""}
    assert set(read_folder(write_all(tmp_path, files)).sizes) == {"model.yaml", "weights.tar"}


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (
            {"model.yaml": on_fleet("big", "gpu", "artifact: m.tar\n"), "m.tar": tar([])},
            "artifact: 'm.tar' is not an ONNX graph by its name, so an inference server has to run",
        ),
        (served(tar([("../x", b"")])), r"model/weights.tar: member '../x': expected a path inside"),
        (served(b"junk"), "model/weights.tar is not a tar archive that can be read"),
        (
            served() | {f"model/{n}": b"" for n in range(200)},
            "the bundle has 203 files, at most 200 allowed: pack those beside model/weights.tar",
        ),
        (served() | {"model/scaler.pkl": b""}, "model/scaler.pkl is a pickle"),
    ],
)
def test_a_bad_bundle_for_a_server_is_refused_before_anything_is_uploaded(
    tmp_path: Path, files: dict[str, bytes], reason: str
) -> None:
    with pytest.raises(BundleRefused, match=reason):
        read_folder(write_all(tmp_path, files))
