"""Measure the peak memory of the process against the memory of its function."""

import resource
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CLEAR_REFS = Path("/proc/self/clear_refs")
RESET_PEAK = "5"
"""See proc_pid_clear_refs(5)."""
SAFE_SHARE = 0.8


def peak_mib() -> float:
    """Return the peak resident memory of this process, which Linux counts in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def forget_peak() -> None:
    """Reset the peak, so that it is not an earlier candidate's.

    If the kernel does not allow it, the peak remains that of the process, so it is never too low.
    """
    try:
        CLEAR_REFS.write_text(RESET_PEAK)
    except OSError:
        return


@dataclass(frozen=True, slots=True)
class MemoryMeter:
    """The function's memory, and how much of it the process has used."""

    limit_mib: int
    peak_mib: Callable[[], float] = peak_mib
    forget_peak: Callable[[], None] = forget_peak

    def would_exceed(self, resting_mib: float) -> bool:
        """Estimate whether work of twice the size might take more memory than is safe.

        ``resting_mib`` is the peak before the work so far.
        """
        peak = self.peak_mib()
        return peak + (peak - resting_mib) > SAFE_SHARE * self.limit_mib
