"""``serval init`` and ``serval lock`` of custom Python, without a package index."""

from pathlib import Path

import pytest

from serval_cli.bundle.folder import read_folder
from tests.fakes.command_line import Terminal

CODE = "class EndpointHandler:\n    def __call__(self, data):\n        return data\n"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(monkeypatch, capsys)


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """Make a folder as it is published elsewhere."""
    folder = tmp_path / "theirs"
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "config").write_text("")
    (folder / "handler.py").write_text(CODE)
    (folder / "model.onnx").write_text("weights")
    (folder / "pytorch_model.bin").write_text("weights")
    return folder


def test_init_makes_a_bundle_of_a_folder_with_a_handler(
    terminal: Terminal, theirs: Path, tmp_path: Path
) -> None:
    made = terminal.serval(
        *("init", "shelf", "--from", str(theirs), "--dir", str(tmp_path / "shelf"), "--json")
    )
    files = ["README.md", "handler.py", "model.onnx", "model.yaml", "pytorch_model.bin"]
    assert made.value["files"] == files
    bundle = read_folder(tmp_path / "shelf")
    assert (bundle.bundle.runtime.kind, bundle.bundle.artifact) == ("python", "handler.py")
    assert sorted(bundle.sizes) == files


def test_init_names_the_line_of_a_mistake_and_leaves_nothing(
    terminal: Terminal, theirs: Path, tmp_path: Path
) -> None:
    (theirs / "handler.py").write_text("\nclass EndpointHandler:\n    pass\n")
    ended = terminal.serval(
        "init", "shelf", "--from", str(theirs), "--dir", str(tmp_path / "shelf")
    )
    assert "handler.py line 2: class EndpointHandler has no __call__" in ended.failure
    assert not (tmp_path / "shelf").exists()


def test_push_refuses_packages_that_are_not_pinned(theirs: Path, terminal: Terminal) -> None:
    (theirs / "model.yaml").write_text("name: shelf\nruntime: {kind: python}\n")
    (theirs / "requirements.txt").write_text("rapidfuzz\n")
    ended = terminal.serval("push", str(theirs))
    assert "requirements.txt has no requirements.lock, which pins its packages" in ended.failure


def test_lock_says_that_a_handler_has_no_packages(theirs: Path, terminal: Terminal) -> None:
    (theirs / "model.yaml").write_text("name: shelf\nruntime: {kind: python}\n")
    ended = terminal.serval("lock", str(theirs), "--json")
    assert ended.value == {"lock": None, "packages": 0}


def test_lock_wants_a_handler(theirs: Path, terminal: Terminal) -> None:
    (theirs / "model.yaml").write_text("name: shelf\n")
    assert (
        "is run by onnx: 'runtime: {kind: python}'" in terminal.serval("lock", str(theirs)).failure
    )
