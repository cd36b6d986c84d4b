"""verification/code.py: what an inference server could run is known by what files hold."""

import gzip
import io
import marshal
import pickle
import zipfile
from dataclasses import replace
from importlib.util import MAGIC_NUMBER
from pathlib import Path

import numpy as np
import pytest

from serval.bundles.manifest import read_manifest
from serval.bundles.verification.code import code_reasons
from serval.bundles.verification.deployment import Deployment
from serval.bundles.verification.verify_bundle import verify_bundle
from serval.errors import BundleRefused
from serval.models.deployed_fleets import Fleets
from tests.fakes.registration import manifest_of
from tests.fakes.served import FLEETS, GPU, served, tar

PYTHON = b"import os\n\n\nclass TritonPythonModel:\n    def execute(self, requests):\n        ...\n"
TORCHSCRIPT = b"\x80\x02c__torch__\nNet\nq\x00)\x81}(X\x06\x00\x00\x00weightK\x01ub."
SYSTEM = b"cos\nsystem\n(S'id'\ntR."
"""A pickle of protocol 0, which is text."""


STAGE = Deployment({"*": 1024}, 512, FLEETS)


class Deadly:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("1",)


def zipped(**members: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "/").replace("_DOT_", "."), data)
    return target.getvalue()


def npz(array: object) -> bytes:
    target = io.BytesIO()
    np.savez(target, array=np.asarray(array), allow_pickle=True)
    return target.getvalue()


WEIGHTS = {"model__data_DOT_pkl": pickle.dumps({"w": 1}), "model__data__0": b"\x00" * 64}
CODE = {
    "weights.bin of a pickle": ("weights.bin", pickle.dumps([1.5], 4), "is a pickle"),
    "pickle of protocol 2": ("a", pickle.dumps(Deadly(), 2), "is a pickle"),
    "pickle of protocol 0": ("config.json", SYSTEM, "is a pickle"),
    "pickle by name": ("scaler.joblib", b"?", "is a pickle by its name (traced"),
    "weights of transformers": ("pytorch_model-00001-of-2.bin", b"?", "is a pickle by its name"),
    "PyTorch's zip": ("weights", zipped(**WEIGHTS), "has 'model/data.pkl' in it, which is a pi"),
    "zip with Python": ("w", zipped(x=PYTHON), "has 'x' in it, which is Python"),
    "zip in a zip": ("w", zipped(x=zipped(y=b"")), "has 'x' in it, which is a zip archive"),
    "a damaged zip": ("w", zipped(x=b"1")[:-9], "is a zip archive that cannot be read: "),
    "an array of objects": ("w", npz([None]), "has 'array.npy' in it, which is a pickle"),
    "Python": ("1/model.py", b"", "is Python"),
    "Python by another name": ("1/model.plan", PYTHON, "is Python"),
    "byte-code": ("m", MAGIC_NUMBER + bytes(12) + marshal.dumps(1), "is Python's byte-code"),
    "a library": ("plugin.plan", b"\x7fELF\x02\x01", "is a program or a shared library"),
    "a library by name": ("libplugin.so", b"", "is a shared library"),
    "a script": ("run", b"#!/bin/sh\nid\n", "is a script"),
    "hidden": ("w.bin", gzip.compress(SYSTEM), "is compressed, so that its content is unknown"),
    "Triton's Python": ("m/config.pbtxt", b'backend: "python"', "has Triton run Python or load a"),
    "Triton's library": (
        "config.pbtxt", b'model_operations { op_library_filename: "x" }', "has Triton run Python",
    ),
    "lmi's entry point": ("serving.properties", b"option.entryPoint=x.py", "has the server run"),
    "lmi's packages": ("requirements.txt", b"left-pad", "has the server install packages"),
}  # fmt: skip
NO_CODE = {
    "weights": ("w.bin", bytes(range(256)) * 50),
    "safetensors": ("model.safetensors", b"\x40\x00\x00\x00\x00\x00\x00\x00{}"),
    "a plan": ("model.plan", b"ftrt\x00\x00\x7fELF"),
    "settings": ("config.json", b'{"import": "torch", "class": [1]}'),
    "Triton's settings": ("config.pbtxt", b'backend: "tensorrt"\nmax_batch_size: 8\n'),
    "a vocabulary": ("vocabulary.txt", b"cat\ndog\nbird\nimport os\nN.\n"),
    "a text about Python": ("notes.txt", b"import os\nis how one begins, as I said\n"),
    "TorchScript": (
        "model.neuron",
        zipped(
            m__code__net_DOT_py=b"class Net:\n  def forward(self):\n    return 1\n",
            m__data_DOT_pkl=TORCHSCRIPT,
            m__constants_DOT_pkl=b"\x80\x02).",
            m__version=b"3\n",
        ),
    ),
    "arrays": ("arrays.npz", npz([1.5, 2.5])),
}


def reasons(folder: Path, path: str, data: bytes) -> list[str]:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(data)
    return code_reasons(folder, [path])


@pytest.mark.parametrize(("path", "data", "problem"), CODE.values(), ids=CODE)
def test_code_is_known_whatever_it_is_called(
    tmp_path: Path, path: str, data: bytes, problem: str
) -> None:
    (found,) = reasons(tmp_path, path, data)
    assert found.startswith(f"{path} {problem}")
    assert "declare 'trusted: true' for the fleet in fleets.yaml and deploy" in found


@pytest.mark.parametrize(("path", "data"), NO_CODE.values(), ids=NO_CODE)
def test_what_is_no_code_is_taken(tmp_path: Path, path: str, data: bytes) -> None:
    assert reasons(tmp_path, path, data) == []


def test_torchscript_s_name_hides_no_pickle_that_imports(tmp_path: Path) -> None:
    hidden = zipped(
        m__code__net_DOT_py=b"", m__constants_DOT_pkl=b"\x80\x02).", m__data_DOT_pkl=SYSTEM
    )
    (found,) = reasons(tmp_path, "model.neuron", hidden)
    assert found.startswith("model.neuron has 'm/data.pkl' in it, which is a pickle")


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("name", ["weights.bin", "1/model.plan"])
def test_members_of_archives_are_looked_at_too(tmp_path: Path, name: str, compressed: bool) -> None:
    archive = tar([("first.bin", b"\x00" * 9_000), (name, SYSTEM)], compressed=compressed)
    artifact = "model/weights.tgz" if compressed else "model/weights.tar"
    with pytest.raises(BundleRefused) as refused:
        verified(tmp_path, served(archive, artifact=artifact))
    (reason,) = refused.value.reasons
    assert reason.startswith(f"{artifact}: member {name!r} is a pickle: an inference server could")


def test_a_zip_in_a_compressed_archive_is_refused_for_it_costs_too_much(tmp_path: Path) -> None:
    archive = tar([("w.neuron", zipped(x=b"1"))], compressed=True)
    with pytest.raises(BundleRefused, match=r"pack it as a plain \.tar"):
        verified(tmp_path, served(archive, artifact="model/weights.tgz"))


def test_a_fleet_that_is_trusted_takes_code(tmp_path: Path) -> None:
    files = served(tar([("model.py", PYTHON), ("w.pt", SYSTEM)])) | {"model/model.py": PYTHON}
    trusted = Deployment({"*": 1024}, 512, Fleets({"gpu": replace(GPU, trusted=True)}))

    assert "model/model.py" in verified(tmp_path / "1", files, trusted)
    with pytest.raises(BundleRefused):
        verified(tmp_path / "2", files)


def verified(
    folder: Path,
    files: dict[str, bytes],
    deployment: Deployment = STAGE,
) -> tuple[str, ...]:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    manifest = read_manifest(manifest_of("served", files), "served")
    return verify_bundle(folder, manifest, deployment).artifact_files
