"""The laptop stage's folder: what it holds, who may read it, what stays of it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from serval_cli.local.processes.group import ProcessGroup
from serval_cli.local.state_folder import (
    CHECKOUT,
    Record,
    RecordDamaged,
    StateFolder,
    StateInUse,
)


def test_the_folder_is_in_the_checkout_unless_the_environment_names_one() -> None:
    assert StateFolder.locate({}).path == CHECKOUT / ".serval"
    assert (CHECKOUT / "app.py").exists()
    assert StateFolder.locate({"SERVAL_STATE": "relative"}).path == Path.cwd() / "relative"


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    assert folder.read() is None
    server = ProcessGroup("server", 7, "long ago")
    record = Record("http://127.0.0.1:4600", (server,), {"a": "b"}, {"models": "/elsewhere"})
    folder.write(record)
    assert folder.read() == record


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"endpoint": "", "processes": [1]}'])
def test_a_damaged_record_is_named_with_what_to_do(tmp_path: Path, text: str) -> None:
    (tmp_path / "platform.json").write_text(text)
    with pytest.raises(RecordDamaged, match=r"platform\.json is not what `serval local up` wrote"):
        StateFolder(tmp_path).read()


def test_only_the_owner_reads_the_key(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    folder.write_local_json({"api_key": "secret"})
    assert json.loads(folder.local_json.read_text()) == {"api_key": "secret"}
    assert folder.local_json.stat().st_mode & 0o077 == 0


def test_logs_stay_when_the_rest_is_cleared(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    for kept in (folder.logs, folder.temporary, folder.assembly):
        kept.mkdir()
        (kept / "file").touch()
    folder.write(Record("http://127.0.0.1:4600"))
    folder.write_local_json({})
    folder.clear()
    folder.clear()
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]
    assert (folder.logs / "file").exists()


def test_shared_zips_survive_the_assembly_that_links_to_them(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "asset.zip").touch()
    folder = StateFolder(tmp_path / "state")
    folder.assembly.mkdir(parents=True)
    (folder.assembly / ".cache").symlink_to(cache)
    folder.clear()
    assert (cache / "asset.zip").exists()


def test_a_second_command_is_told_that_the_first_is_at_work(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "new")
    program = (
        "import sys; from pathlib import Path\n"
        "from serval_cli.local.state_folder import StateFolder\n"
        "with StateFolder(Path(sys.argv[1])).lock(): print('locked', flush=True); input()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", program, folder.path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None
    other.stdout.readline()
    with pytest.raises(StateInUse, match=str(folder.path)), folder.lock():
        pass
    other.communicate("\n")
    with folder.lock():
        pass
