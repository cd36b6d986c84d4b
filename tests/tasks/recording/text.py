"""Cases of the tasks that answer about a text from one run."""

from pathlib import Path

from tests.tasks.recording import (
    embeddings,
    masks,
    questions,
    tagging,
    text_classification,
    zero_shot,
)

TASKS = (text_classification, tagging, zero_shot, questions, masks, embeddings)


def record(folder: Path) -> None:
    """Write every case of the area."""
    for task in TASKS:
        task.record(folder)
