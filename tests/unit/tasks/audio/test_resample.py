"""Other sampling rates keep what both can hold, and nothing else."""

import numpy as np
import pytest

from serval.tasks.audio.resample import resample

RATES = [(44_100, 16_000), (8_000, 16_000), (48_000, 16_000), (11_025, 16_000), (16_000, 22_050)]


def tone(hertz: float, rate_hz: int, seconds: float = 0.5) -> np.ndarray:
    time = np.arange(int(seconds * rate_hz)) / rate_hz
    return np.sin(2 * np.pi * hertz * time).astype(np.float32)


@pytest.mark.parametrize(("before", "after"), RATES)
def test_a_tone_stays_the_same_tone(before: int, after: int) -> None:
    heard = resample(tone(1000, before), before, after)
    expected = tone(1000, after)[: len(heard)]
    assert heard.dtype == np.float32
    assert np.abs(heard[100:-200] - expected[100:-100][: len(heard) - 300]).max() < 0.01


def test_a_tone_that_the_lower_rate_cannot_hold_vanishes() -> None:
    assert np.abs(resample(tone(12_000, 44_100), 44_100, 16_000)[50:-50]).max() < 0.01


@pytest.mark.parametrize(("before", "after"), RATES)
@pytest.mark.parametrize("count", [1, 7, 1000])
def test_the_length_is_rounded_up(before: int, after: int, count: int) -> None:
    assert len(resample(np.ones(count, np.float32), before, after)) == -(-count * after // before)


def test_a_rate_without_a_common_divisor_takes_no_more_than_its_filters() -> None:
    heard = resample(tone(1000, 44_101), 44_101, 16_000)
    assert np.abs(heard[100:-200] - tone(1000, 16_000)[100 : len(heard) - 200]).max() < 0.01


def test_the_same_rate_changes_nothing() -> None:
    samples = tone(1000, 16_000)
    assert resample(samples, 16_000, 16_000) is samples
