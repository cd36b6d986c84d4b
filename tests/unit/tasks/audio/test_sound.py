"""Sounds that cannot be heard are refused in words that say why; others become samples."""

import io
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from serval.errors import InvalidInputs
from serval.tasks.audio.features import WaveformFeatures
from serval.tasks.audio.sound import SoundReader
from serval.tasks.files import TaskFiles, TaskUnreadable

SOUNDS = Path(__file__).parents[3] / "tasks/recorded/sounds"
FEATURES = WaveformFeatures({}, {"conv_kernel": [10, 3], "conv_stride": [5, 2]})


def reader(options: Mapping[str, Any] | None = None) -> SoundReader:
    def no_graph(_: Path) -> Any:
        raise AssertionError

    return SoundReader.from_files(TaskFiles(Path(), no_graph, options or {}), FEATURES)


def written(
    samples: np.ndarray, rate_hz: int = 16_000, form: str = "WAV", subtype: str | None = None
) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format=form, subtype=subtype)
    return file.getvalue()


def refusal(body: object, **options: Any) -> str:
    with pytest.raises(InvalidInputs) as refused:
        reader(options).read(body, 2)
    return str(refused.value)


def test_a_sound_of_no_bytes_is_refused() -> None:
    expected = "input 2: the sound has 0 bytes, a WAV, FLAC, Ogg or MP3 file expected"
    assert refusal(b"") == expected


def test_an_image_is_no_sound() -> None:
    assert refusal(b"\x89PNG\r\n\x1a\n" + bytes(50)) == (
        "input 2: not a sound: it begins with b'\\x89PNG\\r\\n\\x1a\\n\\x00\\x00\\x00\\x00', "
        "a WAV, FLAC, Ogg or MP3 file expected"
    )


def test_a_text_is_no_sound() -> None:
    assert refusal("hello") == "input 2: 'hello' given, the bytes of a sound expected"


@pytest.mark.parametrize("form", ["AIFF", "AU", "CAF", "W64"])
def test_other_formats_are_refused_though_the_library_reads_them(form: str) -> None:
    assert "a WAV, FLAC, Ogg or MP3 file expected" in refusal(written(np.ones(50), form=form))


@pytest.mark.parametrize("form", ["WAV", "FLAC"])
def test_a_sound_of_three_hours_is_refused_by_its_header(form: str) -> None:
    three_hours = written(np.zeros(3 * 3600 * 1000, np.int16), 1_000, form)
    expected = "input 2: the sound lasts 10800 seconds, the model takes at most 600"
    assert refusal(three_hours) == expected


def test_the_longest_sound_is_an_option() -> None:
    body = written(np.zeros(48_000))
    assert refusal(body, max_seconds=2.5).endswith("lasts 3 seconds, the model takes at most 2.5")
    assert len(reader({"max_seconds": 3}).read(body, 0)) == 48_000


@pytest.mark.parametrize("value", [0, -1, True, "60"])
def test_the_longest_sound_is_a_number_of_seconds(value: object) -> None:
    with pytest.raises(TaskUnreadable, match=r"max_seconds: .* given, a number above 0 expected"):
        reader({"max_seconds": value})


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_refused(bad: float) -> None:
    samples = np.zeros(4_000, np.float32)
    samples[17] = bad
    body = written(samples, subtype="FLOAT")
    assert refusal(body) == "input 2: the sound has samples that are not finite numbers"


@pytest.mark.parametrize("count", [0, 19])
def test_a_sound_shorter_than_the_model_reads_at_once_is_refused(count: int) -> None:
    assert refusal(written(np.zeros(count))) == (
        f"input 2: the sound has {count} samples at 16000 Hz, the model takes no less than 20"
    )


@pytest.mark.parametrize("rate_hz", [500, 2_000_000])
def test_impossible_sampling_rates_are_refused(rate_hz: int) -> None:
    expected = f"input 2: a sampling rate of {rate_hz} Hz, 1000 to 192000 Hz expected"
    assert refusal(written(np.zeros(50), rate_hz)) == expected


def test_many_channels_are_refused() -> None:
    assert refusal(written(np.zeros((50, 40)))) == "input 2: 40 channels, at most 16 expected"


def test_channels_are_averaged() -> None:
    stereo = np.stack([np.full(100, 0.5), np.full(100, -0.25)], axis=1)
    heard = reader().read(written(stereo, subtype="FLOAT"), 0)
    assert heard.dtype == np.float32
    assert heard.tolist() == [0.125] * 100


def test_damaged_sounds_are_read_or_refused() -> None:
    draw, heard = random.Random(3), reader({"max_seconds": 5})
    for path in sorted(SOUNDS.iterdir()):
        for _ in range(40):
            body = bytearray(path.read_bytes())
            for _ in range(draw.randrange(1, 8)):
                body[draw.randrange(min(len(body), 400))] = draw.randrange(256)
            try:
                samples = heard.read(bytes(body[: draw.randrange(1, 2 * len(body))]), 0)
            except InvalidInputs:
                continue
            assert np.isfinite(samples).all()
