"""Files of other formats in the place of an ONNX graph."""

import io
import json
import pickle
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from serval.bundles.verification.formats import format_reason
from tests.fakes.registration import scaling_model


def zip_of(*names: str) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return raw.getvalue()


def tar() -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("model.onnx"))
    return raw.getvalue()


def npy() -> bytes:
    raw = io.BytesIO()
    np.save(raw, np.ones(3))
    return raw.getvalue()


def safetensors() -> bytes:
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(4)


@pytest.mark.parametrize(
    ("body", "what", "advice"),
    [
        (b"", "an empty file", "export or download"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS", "git lfs pull"),
        (b"\n<!DOCTYPE html><html>", "a web page", "download the file itself"),
        (b"<?xml version='1.0'?>\n<Error><Code>AccessDenied", "an error", "may have expired"),
        *((pickle.dumps({"w": 1}, n), "a pickle", "skl2onnx") for n in range(2, 6)),
        (pickle.dumps(Path, 0), "a pickle", "could run code"),
        (zlib.compress(b"pickle"), "as joblib writes pickles", "could run code"),
        (zip_of("archive/data.pkl", "archive/data/0"), "torch.save", "torch.onnx.export"),
        (zip_of("config.json", "model.weights.h5"), "a Keras model", "init --from"),
        (zip_of("model/data/weights/weight_0"), "torch.export", "init --from"),
        (zip_of("a.npy"), "an archive of numpy arrays", "weights without the graph"),
        (zip_of("a.txt"), "a zip archive", "unpack it"),
        (safetensors(), "safetensors", "weights without the graph"),
        (b"\x89HDF\r\n\x1a\n\x00", "an HDF5 file", "a .keras file"),
        (b"\x08\x01\x12\x0a\x12\x05serve", "a TensorFlow SavedModel", "init --from"),
        (b"\x1c\x00\x00\x00TFL3\x14\x00", "a TensorFlow Lite model", "--tflite"),
        (b"\x1c\x00\x00\x00ORTM\x14\x00", "ONNX Runtime's own format", "that it was made of"),
        (b"GGUF\x03\x00", "GGUF", "inference server"),
        (b"ftrt\x00\x01", "a TensorRT engine", "built from"),
        (b'{"learner":{"attributes":{}}}', "an XGBoost model", "onnxmltools"),
        (b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner{", "an XGBoost model", "onnxmltools"),
        (b"tree\nversion=v4\n", "a LightGBM model", "onnxmltools"),
        (b"CBM1\x00\x01", "a CatBoost model", "save_model(path, format='onnx')"),
        (npy(), "a numpy array", "weights without the graph"),
        (b'<?xml version="1.0"?>\n<net name="m">', "an OpenVINO model", "that it was made of"),
        (b'<PMML version="4.4">', "a PMML model", "where it was trained"),
        (b"<ir_version: 8>\nagraph", "an ONNX model as text", "onnxtxt"),
        (b'{"irVersion": "8"}', "an ONNX model as text", "json"),
        (b"\x1f\x8b\x08\x00", "compressed with gzip", "unpack it"),
        (tar(), "a tar archive", "unpack it"),
        (b'{"weights": [1]}', "a JSON document", "export the model to ONNX"),
        ("größer".encode(), "a text", "which is binary"),
    ],
)
def test_a_file_of_another_format_is_named_with_what_to_do(
    tmp_path: Path, body: bytes, what: str, advice: str
) -> None:
    (tmp_path / "model.onnx").write_bytes(body)
    reason = format_reason(tmp_path, "model.onnx")
    assert reason is not None
    named, _, found = reason.partition(": ")
    assert named.startswith("model.onnx is not an ONNX model but ")
    assert what in named
    assert advice in found


@pytest.mark.parametrize("producer", ["", "serve", "PK\x03\x04", "{", "version https://"])
def test_a_graph_is_of_no_other_format(tmp_path: Path, producer: str) -> None:
    model = scaling_model()
    model.producer_name = producer
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    assert format_reason(tmp_path, "model.onnx") is None


def test_bytes_of_no_known_format_are_left_to_the_reader(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(bytes(100))
    assert format_reason(tmp_path, "model.onnx") is None
