"""Which port each version's process gets."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from serval.fleets.server_script import WANTED
from serval.worker.program.server_processes import PORTS_A_PROCESS, ServerProcesses

FIRST = 9000


def place(folder: Path, version: str) -> Path:
    made = folder / f"textgen-{version}" / version
    made.mkdir(parents=True, exist_ok=True)
    return made


def test_after_a_worker_was_killed_the_next_one_asks_for_another_version_at_another_port(
    tmp_path: Path,
) -> None:
    """The process that the killed one had asked for answers there for a moment more."""
    first = ServerProcesses(tmp_path).start(("textgen", "3"), place(tmp_path, "3"), FIRST, 1)
    processes = ServerProcesses(tmp_path)
    assert processes.keys() == [("textgen", "3")]
    processes.end(("textgen", "3"))
    assert processes.start(("textgen", "2"), place(tmp_path, "2"), FIRST, 1) != first
    assert [file.name for file in (tmp_path / WANTED).iterdir()] != [str(first)]


@given(st.integers(1, 3), st.lists(st.integers(0, 5), max_size=8))
def test_a_port_is_not_asked_for_again_before_the_others_were(most: int, acts: list[int]) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        processes, used = ServerProcesses(folder), list[int]()
        for number, act in enumerate(acts):
            if act == 0:
                processes = ServerProcesses(folder)
            if len(running := processes.keys()) == most:
                processes.end(running[act % most])
            port = processes.start(
                ("textgen", str(number + 1)), place(folder, str(number + 1)), FIRST, most
            )
            assert FIRST <= port < FIRST + PORTS_A_PROCESS * most
            assert not used or port != used[-1] or act == 0
            used.append(port)
