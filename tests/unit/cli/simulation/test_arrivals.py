"""When requests come."""

from pathlib import Path

import pytest

from serval_cli.failures import CommandFailed
from serval_cli.simulation.arrivals import open_trace


def times(asked: str, hours: float | None = None, seed: int = 1) -> list[float]:
    return list(open_trace(asked, hours, seed).times)


def test_poisson_comes_at_its_rate() -> None:
    came = times("poisson:0.5", 10)

    assert len(came) == pytest.approx(18_000, rel=0.03)
    assert came == sorted(came)
    assert came[-1] < 36_000


def test_an_evening_rises_and_falls() -> None:
    came = times("evening:300", 6)
    hours = [sum(hour * 3600 <= at < (hour + 1) * 3600 for at in came) for hour in range(6)]

    assert hours[0] < hours[1] < hours[2]
    assert hours[3] > hours[4] > hours[5]
    assert len(came) == pytest.approx(300 / 30 * 6 * 3600 / 2, rel=0.03)


def test_one_seed_is_one_trace() -> None:
    assert times("evening:20", 1, seed=4) == times("evening:20", 1, seed=4)
    assert times("evening:20", 1, seed=4) != times("evening:20", 1, seed=5)


def test_a_file_holds_seconds_or_moments(tmp_path: Path) -> None:
    seconds, moments = tmp_path / "seconds.csv", tmp_path / "moments.txt"
    seconds.write_text("12.5,GET\n10,PUT\n\n70,GET\n")
    moments.write_text("2026-11-21T10:00:00Z\n2026-11-21T10:00:02.500+00:00\n2026-11-21T10:01:00\n")

    assert times(str(seconds)) == [0.0, 2.5, 60.0]
    assert times(str(moments)) == [0.0, 2.5, 60.0]
    assert times(str(seconds), 0.01) == [0.0, 2.5]
    assert open_trace(str(seconds), None, 1).seconds == 60.0
    assert open_trace(str(seconds), None, 1).name == "seconds.csv"


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ("poisson:fast", "--trace poisson:fast: 'fast' given, a number above 0 expected"),
        ("poisson:-1", "a number above 0 expected"),
        ("evening:inf", "a number above 0 expected"),
        ("evening:", "or evening:PLAYERS expected"),
        ("nowhere.csv", "--trace nowhere.csv: No such file or directory; a file with"),
    ],
)
def test_what_is_no_trace_is_refused(asked: str, problem: str) -> None:
    with pytest.raises(CommandFailed) as refused:
        times(asked)
    assert problem in str(refused.value)


def test_a_file_that_holds_no_times_is_refused(tmp_path: Path) -> None:
    empty, odd = tmp_path / "empty", tmp_path / "odd"
    empty.write_text("\n")
    odd.write_text("1\nsoon\n")

    with pytest.raises(CommandFailed, match="the file holds no times"):
        times(str(empty))
    with pytest.raises(CommandFailed, match=r"odd line 2: 'soon' given, seconds or an ISO 8601"):
        times(str(odd))
