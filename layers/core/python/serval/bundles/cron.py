"""EventBridge's cron expressions: minutes, hours, day of month, month, day of week, year; in UTC.

::

    0 3 * * ? *        every day at 3:00
    0/15 8-18 ? * MON-FRI *
    0 6 L * ? *        the last day of every month
    0 6 ? * 2#1 *      the first Monday of every month
"""

import calendar
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

DayFilter = Callable[[date], bool]
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
SATURDAY = 7
FIELDS = ("minutes", "hours", "day of month", "month", "day of week", "year")
FIRST_YEAR, LAST_YEAR = 1970, 2199


class InvalidCron(ValueError):
    """The text is not a cron expression; the message names the field."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the expression: the numbers it may have, and their names."""

    name: str
    least: int
    most: int
    names: Sequence[str] = ()
    """Names of ``least``, ``least + 1`` and so on."""

    def numbers(self, text: str) -> frozenset[int]:
        """Read a list of numbers, ranges and steps, as ``1,5-9,10/5``."""
        return frozenset(number for part in text.split(",") for number in self._part(part))

    def number(self, text: str) -> int:
        """Read a number or a name."""
        if text.upper() in self.names:
            return self.least + self.names.index(text.upper())
        if text.isascii() and text.isdigit() and self.least <= int(text[:9]) <= self.most:
            return int(text)
        raise InvalidCron(f"{self.name}: {text!r} given, {self.least} to {self.most} expected")

    def _part(self, text: str) -> range:
        span, slash, step = text.partition("/")
        first, dash, last = span.partition("-")
        if span == "*":
            least, most = self.least, self.most
        else:
            least = self.number(first)
            most = self.number(last) if dash else self.most if slash else least
        if slash and not re.fullmatch(r"[1-9][0-9]{0,3}", step):
            raise InvalidCron(
                f"{self.name}: {text!r} given, a step of 1 or more after '/' expected"
            )
        if most < least:
            raise InvalidCron(f"{self.name}: {text!r} given, {most} comes before {least}")
        return range(least, most + 1, int(step) if slash else 1)


MINUTE, HOUR = Field("minutes", 0, 59), Field("hours", 0, 23)
DAY, MONTH = Field("day of month", 1, 31), Field("month", 1, 12, MONTHS)
WEEKDAY, YEAR = Field("day of week", 1, 7, WEEKDAYS), Field("year", FIRST_YEAR, LAST_YEAR)


@dataclass(frozen=True, slots=True)
class Cron:
    """The times of a schedule."""

    minutes: frozenset[int]
    hours: frozenset[int]
    months: frozenset[int]
    years: frozenset[int]
    on: DayFilter
    """Whether a day has the right number or weekday."""

    @classmethod
    def parse(cls, text: str) -> "Cron":
        """Read an expression.

        Raises
        ------
        InvalidCron
            Naming the first field that is wrong.
        """
        fields = text.split()
        if len(fields) != len(FIELDS):
            raise InvalidCron(f"{len(fields)} fields given, six expected: {', '.join(FIELDS)}")
        minutes, hours, days, months, weekdays, years = fields
        if (days == "?") == (weekdays == "?"):
            raise InvalidCron(
                "day of month and day of week: exactly one of them is '?', as in '0 3 * * ? *'"
            )
        return cls(
            minutes=MINUTE.numbers(minutes),
            hours=HOUR.numbers(hours),
            months=MONTH.numbers(months),
            years=YEAR.numbers(years),
            on=_read_days(days) if weekdays == "?" else _read_weekdays(weekdays),
        )

    def after(self, moment: datetime) -> datetime | None:
        """Return the next time after a moment, or None if there is no more."""
        begin = moment.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        for day in self._days(begin.date()):
            for hour in sorted(self.hours):
                for minute in sorted(self.minutes):
                    found = datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)
                    if found >= begin:
                        return found
        return None

    def _days(self, first: date) -> Iterator[date]:
        for year in sorted(year for year in self.years if year >= first.year):
            for month in sorted(self.months):
                for number in range(1, calendar.monthrange(year, month)[1] + 1):
                    day = date(year, month, number)
                    if day >= first and self.on(day):
                        yield day


def check_cron(text: str) -> str:
    """Return the expression, or raise ``InvalidCron``."""
    Cron.parse(text)
    return text


def _read_days(text: str) -> DayFilter:
    """Read days of the month: numbers, the last day, or the weekday nearest to a day."""
    if text == "L":
        return lambda day: day.day == _month_length(day)
    if text == "LW":
        return lambda day: day == _nearest_weekday(day.replace(day=_month_length(day)))
    if found := re.fullmatch(r"([0-9]{1,2})W", text):
        wanted = DAY.number(found[1])
        return lambda day: (
            wanted <= _month_length(day) and day == _nearest_weekday(day.replace(day=wanted))
        )
    numbers = DAY.numbers(text)
    return lambda day: day.day in numbers


def _read_weekdays(text: str) -> DayFilter:
    """Read days of the week: numbers, names, or one such day of the month."""
    if text == "L":
        return lambda day: _weekday(day) == SATURDAY
    if found := re.fullmatch(r"(\w+)L", text):
        wanted = WEEKDAY.number(found[1])
        return lambda day: _weekday(day) == wanted and day.day + 7 > _month_length(day)
    if found := re.fullmatch(r"(\w+)#([1-5])", text):
        weekday, occurrence = WEEKDAY.number(found[1]), int(found[2])
        return lambda day: _weekday(day) == weekday and (day.day - 1) // 7 + 1 == occurrence
    numbers = WEEKDAY.numbers(text)
    return lambda day: _weekday(day) in numbers


def _weekday(day: date) -> int:
    """Return 1 for Sunday to 7 for Saturday."""
    return day.isoweekday() % 7 + 1


def _month_length(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _nearest_weekday(day: date) -> date:
    """Find the nearest day from Monday to Friday in the same month."""
    shift = {5: -1, 6: 1}.get(day.weekday(), 0)
    moved = day + timedelta(days=shift)
    if moved.month == day.month:
        return moved
    return day + timedelta(days=2 if shift < 0 else -2)
