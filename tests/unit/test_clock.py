"""Moments as records hold them."""

from datetime import UTC, datetime, timedelta, timezone

from serval.clock import timestamp


def test_a_moment_is_written_in_utc_with_milliseconds():
    berlin = timezone(timedelta(hours=1))

    assert timestamp(datetime(2026, 11, 21, 11, 15, 0, 123999, berlin)) == (
        "2026-11-21T10:15:00.123Z"
    )


def test_text_order_is_time_order():
    start = datetime(2026, 11, 21, tzinfo=UTC)
    moments = [start + timedelta(milliseconds=7 * n) for n in range(1000)]

    assert sorted(timestamp(moment) for moment in moments) == [timestamp(m) for m in moments]
