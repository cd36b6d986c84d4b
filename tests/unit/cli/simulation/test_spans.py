"""Times from when to when."""

from serval_cli.simulation.spans import common, joined, minutes_touched, total


def test_those_that_touch_are_one() -> None:
    assert joined([(5, 7), (1, 3), (2, 4), (7, 8)]) == [(1, 4), (5, 8)]


def test_lengths_add_up() -> None:
    assert total([(1, 4), (5, 8)]) == 6


def test_times_in_both_are_found() -> None:
    assert common([(0, 10), (20, 30)], [(5, 25)]) == [(5, 10), (20, 25)]
    assert common([(0, 1)], [(1, 2)]) == []


def test_a_minute_counts_once_and_only_if_it_lies_in_the_time_that_counts() -> None:
    assert minutes_touched([(59, 61), (100, 110), (600, 700)], 10) == 2
    assert minutes_touched([], 10) == 0
