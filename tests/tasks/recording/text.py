"""Cases of the tasks that answer about a text from one run."""

from pathlib import Path

from tests.tasks.recording import text_classification


def record(folder: Path) -> None:
    """Write every case of the area."""
    text_classification.record(folder)
