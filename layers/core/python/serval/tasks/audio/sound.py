"""From the bytes of a sound file to the samples that a model takes."""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
import soundfile

from serval.errors import InvalidInputs
from serval.foreign import refusing
from serval.models.tensor import Array
from serval.short_repr import short_repr
from serval.tasks.audio.features import SoundFeatures
from serval.tasks.audio.resample import resample
from serval.tasks.files import TaskFiles, TaskUnreadable

FORMATS = {"WAV": "WAV", "WAVEX": "WAV", "FLAC": "FLAC", "OGG": "Ogg", "MP3": "MP3"}
"""Formats of libsndfile that are read; it knows thirty more, most of them hardly ever attacked."""
EXPECTED = "a WAV, FLAC, Ogg or MP3 file expected"
MAX_SECONDS = 600.0
MAX_CHANNELS = 16
RATES_HZ = (1_000, 192_000)
"""Sampling rates outside of these are those of a damaged header."""
BLOCK_FRAMES = 1 << 16


@dataclass(frozen=True, slots=True)
class SoundReader:
    """Reads sounds at the sampling rate of a model."""

    rate_hz: int
    least_samples: int
    max_seconds: float

    @classmethod
    def from_files(cls, files: TaskFiles, features: SoundFeatures) -> "SoundReader":
        """Read ``max_seconds`` of model.yaml's ``task:``, which is 600 unless given.

        Raises
        ------
        TaskUnreadable
            If it is not a number above 0.
        """
        seconds = files.options.get("max_seconds", MAX_SECONDS)
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
            raise TaskUnreadable(
                f"model.yaml: task: max_seconds: {short_repr(seconds)} given, "
                "a number above 0 expected"
            )
        return cls(features.rate_hz, features.least_samples, float(seconds))

    def read(self, body: object, index: int) -> Array:
        """Decode one sound.

        Channels are averaged, as librosa and transformers do, and other sampling rates are
        converted to the model's.

        Parameters
        ----------
        body
            The bytes of a WAV, FLAC, Ogg (Vorbis or Opus) or MP3 file.
        index
            Which input of the request it is, for messages.

        Returns
        -------
            Samples from -1 to 1 at ``rate_hz``, float32 [n].

        Raises
        ------
        InvalidInputs
            If it is no such file, is longer than ``max_seconds`` by its header or by what it
            holds, or is too short, or has samples that are no numbers.
        """
        where = f"input {index}"
        if not isinstance(body, bytes | bytearray | memoryview):
            raise InvalidInputs(f"{where}: {short_repr(body)} given, the bytes of a sound expected")
        content = bytes(body)
        if not content:
            raise InvalidInputs(f"{where}: the sound has 0 bytes, {EXPECTED}")
        if not is_sound(content):
            raise InvalidInputs(
                f"{where}: not a sound: it begins with {short_repr(content[:12])}, {EXPECTED}"
            )
        with (
            refusing(lambda said: InvalidInputs(f"{where}: not a readable sound: {said}")),
            soundfile.SoundFile(BytesIO(content)) as file,
        ):
            self._check(where, file)
            samples, rate_hz = self._decode(where, file), file.samplerate
        if not np.isfinite(samples).all():
            raise InvalidInputs(f"{where}: the sound has samples that are not finite numbers")
        samples = resample(samples, rate_hz, self.rate_hz)
        if len(samples) < self.least_samples:
            raise InvalidInputs(
                f"{where}: the sound has {len(samples)} samples at {self.rate_hz} Hz, the model "
                f"takes no less than {self.least_samples}"
            )
        return samples

    def _check(self, where: str, file: soundfile.SoundFile) -> None:
        if file.format not in FORMATS:
            raise InvalidInputs(f"{where}: a sound in the format {file.format_info}, {EXPECTED}")
        low, high = RATES_HZ
        if not low <= file.samplerate <= high:
            raise InvalidInputs(
                f"{where}: a sampling rate of {file.samplerate} Hz, {low} to {high} Hz expected"
            )
        if file.channels > MAX_CHANNELS:
            raise InvalidInputs(
                f"{where}: {file.channels} channels, at most {MAX_CHANNELS} expected"
            )
        seconds = file.frames / file.samplerate
        if seconds > self.max_seconds:
            raise InvalidInputs(
                f"{where}: the sound lasts {seconds:.0f} seconds, the model takes at most "
                f"{self.max_seconds:g}"
            )

    def _decode(self, where: str, file: soundfile.SoundFile) -> Array:
        # By blocks: a header may promise less than the file holds, and channels take no memory.
        left, blocks = int(self.max_seconds * file.samplerate), []
        while len(block := file.read(BLOCK_FRAMES, dtype="float32", always_2d=True)):
            left -= len(block)
            if left < 0:
                raise InvalidInputs(
                    f"{where}: the sound lasts longer than the {self.max_seconds:g} seconds that "
                    "the model takes"
                )
            blocks.append(block.mean(axis=1) if block.shape[1] > 1 else block[:, 0])
        return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def is_sound(content: bytes) -> bool:
    """Return whether bytes begin as one of the formats that are read."""
    if content[:4] == b"RIFF":
        return content[8:12] == b"WAVE"
    # An MP3 begins with a tag, or with the eleven bits that begin each of its frames.
    mpeg_frame = len(content) > 1 and content[0] == 0xFF and content[1] & 0xE0 == 0xE0
    return content[:4] in (b"fLaC", b"OggS") or content[:3] == b"ID3" or mpeg_frame
