"""The command line as a wheel of its own, beside nothing but what it names."""

import json
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from serval.bundles.verification.external_data import external_files
from serval_cli.bundle.external_data import external_paths

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
UV = ROOT / ".venv/bin/uv"
PACKAGES = ROOT / "build/environments/cli"
LIMIT_BYTES = 150 * 10**6


def size_of(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel, and the packages of its lock."""
    if not PACKAGES.exists():
        pytest.skip("`make test` makes build/environments/cli")
    folder = tmp_path_factory.mktemp("wheel")
    python, target = ROOT / ".venv/bin/python", folder / "venv"
    quietly(python, "-m", "hatchling", "build", "-t", "wheel", "-d", folder)
    quietly(UV, "venv", "--python", python, target)
    (wheel,) = folder.glob("*.whl")
    install = (UV, "pip", "install", "--offline", "--no-deps", "--compile-bytecode")
    quietly(*install, "--python", target / "bin/python", wheel)
    (packages,) = PACKAGES.glob("lib/python*/site-packages")
    (beside,) = target.glob("lib/python*/site-packages")
    (beside / "packages.pth").write_text(f"{packages}\n")
    return target


def quietly(*command: str | Path) -> None:
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)


def serval(installed: Path, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command, far from the checkout."""
    own = {"HOME": str(home), "PATH": os.defpath, "SERVAL_STAGE": "prod", "AWS_REGION": "x"}
    return subprocess.run(
        [installed / "bin/serval", *words],
        cwd=home,
        env=own,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "words", [("--version",), ("--help",), ("push", "--help"), ("infer", "--help"), ("use",)]
)
def test_the_wheel_runs_without_a_checkout(
    words: tuple[str, ...], installed: Path, tmp_path: Path
) -> None:
    run = serval(installed, tmp_path, *words)
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize("words", [("local", "up"), ("deploy", "--yes")])
def test_what_needs_a_checkout_says_so(
    words: tuple[str, ...], installed: Path, tmp_path: Path
) -> None:
    run = serval(installed, tmp_path, *words)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith("error: this needs a checkout of Serval")


@pytest.mark.parametrize("words", [("init", "m", "--from", "m.onnx"), ("golden", "add", "m", "x")])
def test_what_needs_an_extra_says_which(
    words: tuple[str, ...], installed: Path, tmp_path: Path
) -> None:
    run = serval(installed, tmp_path, *words)
    assert run.returncode == 1
    assert "which is not installed: `pip install '.[init]'`" in run.stderr


def test_without_its_extra_the_wheel_is_a_client_and_the_command_says_what_it_lacks(
    installed: Path,
) -> None:
    absent = dict.fromkeys(("boto3", "numpy", "pydantic", "simdjson", "typer", "yaml"))
    code = (
        f"import sys; sys.modules.update({absent})\n"
        "from serval.client import Client\n"
        "with Client('http://127.0.0.1:9', 'srv_key') as client: client.infer\n"
        "from serval_cli.entry import main; main()"
    )
    run = subprocess.run([installed / "bin/python", "-c", code], capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith("error: the serval command needs typer, which is not installed")
    (described,) = installed.glob("lib/python*/site-packages/serval-*/METADATA")
    needs = re.findall(r"^Requires-Dist: (.*)$", described.read_text(), re.M)
    assert [name for name in needs if "extra ==" not in name] == ["httpx"]


def test_what_is_remembered_lies_in_the_users_home(installed: Path, tmp_path: Path) -> None:
    chosen = serval(installed, tmp_path, "use", "staging", "--json")
    assert chosen.returncode == 0, chosen.stderr
    assert (tmp_path / ".serval/stage").read_text() == "staging\n"


def test_a_bundle_is_read_without_onnx(installed: Path, tmp_path: Path) -> None:
    save(tmp_path / "net.onnx", "net.data")
    (tmp_path / "model.yaml").write_text("name: tiny\nartifact: net.onnx\n")
    code = (
        "import json, sys; from pathlib import Path\n"
        "from serval_cli.bundle.folder import read_folder\n"
        "print(json.dumps(sorted(read_folder(Path(sys.argv[1])).sizes)))"
    )
    run = subprocess.run(
        [installed / "bin/python", "-c", code, tmp_path],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(run.stdout) == ["model.yaml", "net.data", "net.onnx"]
    assert "the stage alone checks the graph" in run.stderr


def test_the_wheel_and_what_it_needs_stay_small(installed: Path) -> None:
    packages = size_of(PACKAGES) + size_of(installed)
    print(f"{packages / 1e6:.0f} MB")
    assert packages < LIMIT_BYTES


def save(path: Path, data: str) -> None:
    """Save a graph whose tensors lie outside, one of them in the branch of a condition."""
    weights = numpy_helper.from_array(np.ones((4, 3), np.float32), "w")
    inner = numpy_helper.from_array(np.ones(3, np.float32), "inner")
    branch = helper.make_graph(
        [helper.make_node("Identity", ["inner"], ["z"])],
        "branch",
        [],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [3])],
        [inner],
    )
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["y"]),
            helper.make_node("If", ["c"], ["t"], then_branch=branch, else_branch=branch),
        ],
        "g",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 4]),
            helper.make_tensor_value_info("c", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 3])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path, save_as_external_data=True, location=data, size_threshold=0)


def test_external_data_is_found_as_onnx_finds_it(tmp_path: Path) -> None:
    save(tmp_path / "net.onnx", "net.data")
    model = onnx.load(tmp_path / "net.onnx", load_external_data=False)
    for number, branch in enumerate(model.graph.node[1].attribute):
        (tensor,) = branch.g.initializer
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=f"./inner-{number}.data")
    onnx.save(model, tmp_path / "odd.onnx")
    for name in ("net.onnx", "odd.onnx"):
        loaded = onnx.load(tmp_path / name, load_external_data=False)
        assert external_paths(tmp_path, name) == external_files(loaded, name)
    assert external_paths(tmp_path, "odd.onnx") == ("inner-0.data", "inner-1.data", "net.data")
