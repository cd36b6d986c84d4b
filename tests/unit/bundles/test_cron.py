"""EventBridge's cron expressions: what they mean, and what is none."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from serval.bundles.cron import Cron, InvalidCron

START = datetime(2026, 11, 21, 10, 15, 30, tzinfo=UTC)
"""A Saturday."""


def times(text: str, count: int = 3) -> list[str]:
    cron, found, moment = Cron.parse(text), [], START
    for _ in range(count):
        after = cron.after(moment)
        if after is None:
            break
        moment = after
        found.append(f"{moment:%Y-%m-%dT%H:%M}")
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 3 * * ? *", ["2026-11-22T03:00", "2026-11-23T03:00", "2026-11-24T03:00"]),
        ("15,16 10 * * ? *", ["2026-11-21T10:16", "2026-11-22T10:15", "2026-11-22T10:16"]),
        ("0/20 10-11 * * ? *", ["2026-11-21T10:20", "2026-11-21T10:40", "2026-11-21T11:00"]),
        ("*/25 23 ? * MON-FRI *", ["2026-11-23T23:00", "2026-11-23T23:25", "2026-11-23T23:50"]),
        ("0 6 ? * sun,7 *", ["2026-11-22T06:00", "2026-11-28T06:00", "2026-11-29T06:00"]),
        ("0 6 L * ? *", ["2026-11-30T06:00", "2026-12-31T06:00", "2027-01-31T06:00"]),
        ("0 6 LW * ? *", ["2026-11-30T06:00", "2026-12-31T06:00", "2027-01-29T06:00"]),
        ("0 6 1W * ? *", ["2026-12-01T06:00", "2027-01-01T06:00", "2027-02-01T06:00"]),
        ("0 6 1W 5 ? *", ["2027-05-03T06:00", "2028-05-01T06:00", "2029-05-01T06:00"]),
        ("0 6 31W * ? *", ["2026-12-31T06:00", "2027-01-29T06:00", "2027-03-31T06:00"]),
        ("0 6 ? * 2#1 *", ["2026-12-07T06:00", "2027-01-04T06:00", "2027-02-01T06:00"]),
        ("0 6 ? * FRIL *", ["2026-11-27T06:00", "2026-12-25T06:00", "2027-01-29T06:00"]),
        ("0 6 ? * L *", ["2026-11-28T06:00", "2026-12-05T06:00", "2026-12-12T06:00"]),
        ("0 0 29 FEB ? *", ["2028-02-29T00:00", "2032-02-29T00:00", "2036-02-29T00:00"]),
        ("0 0 1 1 ? 2027-2028", ["2027-01-01T00:00", "2028-01-01T00:00"]),
        ("0 0 1 1 ? 2020", []),
    ],
)
def test_the_next_times_are_those_of_eventbridge(text: str, expected: list[str]) -> None:
    assert times(text) == expected


def test_a_time_is_never_before_its_moment_or_at_it() -> None:
    cron = Cron.parse("* * * * ? *")
    at = datetime(2026, 11, 21, 10, 15, tzinfo=UTC)
    assert cron.after(at) == at + timedelta(minutes=1)
    elsewhere = at.astimezone(timezone(timedelta(hours=2)))
    assert cron.after(elsewhere) == at + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("0 3 * * *", "5 fields given, six expected: minutes, hours, day of month, month"),
        ("60 3 * * ? *", "minutes: '60' given, 0 to 59 expected"),
        ("0 24 * * ? *", "hours: '24' given, 0 to 23 expected"),
        ("0 3 0 * ? *", "day of month: '0' given, 1 to 31 expected"),
        ("0 3 * 13 ? *", "month: '13' given, 1 to 12 expected"),
        ("0 3 ? * 8 *", "day of week: '8' given, 1 to 7 expected"),
        ("0 3 ? * MON#6 *", "day of week: 'MON#6' given, 1 to 7 expected"),
        ("0 3 * * ? 1969", "year: '1969' given, 1970 to 2199 expected"),
        ("0 3 * * * *", "day of month and day of week: exactly one of them is '?'"),
        ("0 3 ? * ? *", "day of month and day of week: exactly one of them is '?'"),
        ("0 3-1 * * ? *", "hours: '3-1' given, 1 comes before 3"),
        ("0/0 3 * * ? *", "minutes: '0/0' given, a step of 1 or more after '/' expected"),
        ("0 3, * * ? *", "hours: '' given, 0 to 23 expected"),
        ("every day at 3 sharp", "5 fields given"),
        ("² 3 * * ? *", "minutes: '²' given"),
    ],
)
def test_what_is_no_expression_is_refused_by_its_field(text: str, problem: str) -> None:
    with pytest.raises(InvalidCron) as refused:
        Cron.parse(text)
    assert str(refused.value).startswith(problem)
