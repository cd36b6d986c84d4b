"""Times from when to when."""

from serval_cli.simulation.spans import count_minutes, intersect, merge, total_length


def test_those_that_touch_are_one() -> None:
    assert merge([(5, 7), (1, 3), (2, 4), (7, 8)]) == [(1, 4), (5, 8)]


def test_lengths_add_up() -> None:
    assert total_length([(1, 4), (5, 8)]) == 6


def test_times_in_both_are_found() -> None:
    assert intersect([(0, 10), (20, 30)], [(5, 25)]) == [(5, 10), (20, 25)]
    assert intersect([(0, 1)], [(1, 2)]) == []


def test_a_minute_counts_once_and_only_if_it_lies_in_the_time_that_counts() -> None:
    assert count_minutes([(59, 61), (100, 110), (600, 700)], 10) == 2
    assert count_minutes([], 10) == 0
