"""Read the end of a step's log file, and show it in errors."""

from pathlib import Path

from serval_cli.failures import CommandFailed

SHOWN_LINES = 20
READ_BYTES = 16_384


class StepFailed(CommandFailed):
    """A step of ``up`` failed; its log has the reason."""

    def __init__(self, step: str, log: Path, reason: str = "failed") -> None:
        lines = last_lines(log)
        shown = "\n".join(f"  {line}" for line in lines) or "  (empty)"
        super().__init__(f"{step}: {reason}. The end of its log, {log}:\n{shown}")
        self.step, self.log = step, log


def last_lines(log: Path) -> list[str]:
    """Read the end of a log, which need not exist."""
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - READ_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    return [line.rstrip() for line in lines if line.strip()][-SHOWN_LINES:]
