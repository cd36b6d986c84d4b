"""Cases of the tasks that take or make sound.

Needs torchaudio beside the packages of exporters: transformers' pipelines convert sampling rates
and make Kaldi's filter banks with it.
"""

from pathlib import Path

from tests.tasks.recording import (
    audio_classification,
    frames,
    recognition,
    speech,
    whisper,
    written,
)
from tests.tasks.recording.sounds import FOLDER, write_sounds


def record(folder: Path) -> None:
    """Write every case of the area."""
    write_sounds(folder / FOLDER)
    recognition.record(folder)
    whisper.record(folder)
    written.record(folder)
    audio_classification.record(folder)
    speech.record(folder)
    frames.record(folder)
