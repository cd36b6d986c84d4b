"""What the process has taken at most, of the memory that the function has."""

import resource
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CLEAR_REFS = Path("/proc/self/clear_refs")
RESET_PEAK = "5"
"""See proc_pid_clear_refs(5)."""
SAFE_SHARE = 0.8


def peak_mib() -> float:
    """Give the most memory that this process has had resident; Linux counts in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def forget_peak() -> None:
    """Start the peak anew, so that it is not an earlier candidate's.

    Where the kernel does not allow it, the peak stays that of the process: never too low.
    """
    try:
        CLEAR_REFS.write_text(RESET_PEAK)
    except OSError:
        return


@dataclass(frozen=True, slots=True)
class MemoryMeter:
    """The function's memory, and what has been taken of it."""

    limit_mib: int
    peak_mib: Callable[[], float] = peak_mib
    forget_peak: Callable[[], None] = forget_peak

    def would_exceed(self, resting_mib: float) -> bool:
        """Tell whether work twice as large may take more than is safe.

        ``resting_mib`` is the peak before the work began that has been done so far.
        """
        peak = self.peak_mib()
        return peak + (peak - resting_mib) > SAFE_SHARE * self.limit_mib
