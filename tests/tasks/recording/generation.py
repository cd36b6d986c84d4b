"""Cases of the tasks that write text token by token."""

from pathlib import Path

from tests.tasks.recording import chats, generation_decoders, generation_seq2seq


def record(folder: Path) -> None:
    """Write every case of the area."""
    generation_decoders.record(folder)
    generation_seq2seq.record(folder)
    chats.record(folder)
