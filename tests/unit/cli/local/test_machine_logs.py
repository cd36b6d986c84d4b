"""Logs of the processes that stand for machines."""

from pathlib import Path

import pytest

from serval_cli.local.function_logs import UnknownFunction, stage_lines
from serval_cli.local.machine_logs import file_lines
from serval_cli.local.state_folder import Record, StateFolder


def test_logs_of_workers_their_servers_and_endpoints_are_files(tmp_path: Path) -> None:
    folder, record = StateFolder(tmp_path), Record("http://127.0.0.1:1", functions={"infer": "f"})
    folder.logs.mkdir()
    (folder.logs / "worker-gpu-1.log").write_text("one\ntwo\n")
    (folder.logs / "endpoint-serval-local-managed.log").write_text("three\n")
    (folder.logs / "server-worker-gpu-1.log").write_text("four\n")
    (folder.logs / "server.log").touch()
    found = stage_lines(folder, record, "worker-gpu-1", follow=False)
    assert list(found) == [{"message": "one\n"}, {"message": "two\n"}]
    known = "infer, endpoint-serval-local-managed, server-worker-gpu-1, worker-gpu-1"
    with pytest.raises(UnknownFunction, match=f"'worker-gpu-2': the stage has {known}"):
        stage_lines(folder, record, "worker-gpu-2", follow=False)


def test_a_log_that_is_followed_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("one\n")

    def meanwhile(_: float) -> None:
        with log.open("a") as file:
            file.write("two\n")

    lines = file_lines(log, follow=True, again=meanwhile)
    assert [next(lines)["message"] for _ in range(3)] == ["one\n", "two\n", "two\n"]
