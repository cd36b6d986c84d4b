"""The memory that a process and its children hold, as Linux counts it."""

import resource
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
MOST_PROCESSES = 256


def resident_bytes(pid: int, proc: Path = PROC) -> int:
    """Return the resident memory of a process and its descendants; 0 where there is no /proc."""
    total, found, waiting = 0, set[int](), [pid]
    while waiting and len(found) < MOST_PROCESSES:
        one = waiting.pop()
        found.add(one)
        # Any of them may end while it is read.
        with suppress(OSError, ValueError, IndexError):
            total += int((proc / str(one) / "statm").read_text().split()[1])
            waiting += [child for child in children_of(one, proc) if child not in found]
    return total * resource.getpagesize()


def children_of(pid: int, proc: Path = PROC) -> list[int]:
    """List the children that the threads of a process started."""
    listed = (proc / str(pid) / "task").glob("*/children")
    return [int(word) for path in listed for word in path.read_text().split()]
