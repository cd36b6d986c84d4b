"""Dates, timestamps, times of day and durations: as ISO 8601, or counted in a unit."""

from collections.abc import Mapping

import polars as pl

MOMENTS = (pl.Date, pl.Datetime, pl.Time, pl.Duration)
DAY_NS = 86_400_000_000_000
UNITS: Mapping[str, int] = {
    "days": DAY_NS,
    "seconds": 1_000_000_000,
    "milliseconds": 1_000_000,
    "microseconds": 1_000,
    "nanoseconds": 1,
}
"""Nanoseconds of each unit; counted since 1970, since midnight, or as a duration."""
STEP_NS = {"ms": 1_000_000, "us": 1_000, "ns": 1}
FIRST_DAY, LAST_DAY = -719_162, 2_932_896
"""0001-01-01 and 9999-12-31 as days since 1970, the years of four digits."""


def write_iso(column: pl.Series) -> pl.Series:
    """Write moments in ISO 8601; null where a year does not have four digits."""
    dtype = column.dtype
    if isinstance(dtype, pl.Duration):
        return column.dt.to_string("iso")
    if isinstance(dtype, pl.Time):
        return column.dt.strftime("%H:%M:%S%.f")
    inside = drop_long_years(column)
    if isinstance(dtype, pl.Date):
        return inside.dt.strftime("%Y-%m-%d")
    zoned = "%:z" if inside.dtype.time_zone else ""  # type: ignore[attr-defined]
    return inside.dt.strftime(f"%Y-%m-%dT%H:%M:%S%.f{zoned}")


def is_known_zone(zone: str) -> bool:
    """Return whether polars knows a time zone."""
    try:
        pl.Series([], dtype=pl.Datetime("us", "UTC")).dt.convert_time_zone(zone)
    except (pl.exceptions.PolarsError, ValueError):
        return False
    return True


def count_moments(column: pl.Series, unit: str) -> tuple[pl.Series, pl.Series]:
    """Count moments in a unit; return those that are whole numbers of it, and the others."""
    dtype, step = column.dtype, 1
    if isinstance(dtype, pl.Date | pl.Datetime):
        column = drop_long_years(column)
    if isinstance(dtype, pl.Date):
        step = DAY_NS
    elif isinstance(dtype, pl.Datetime | pl.Duration):
        step = STEP_NS[dtype.time_unit]
    size = UNITS[unit]
    total = pl.col("v").cast(pl.Int128) * step
    whole = total // size
    exact = whole * size == total
    found = pl.DataFrame({"v": column.to_physical()}).select(
        pl.when(exact).then(whole).alias("whole"),
        pl.when(~exact).then(total.cast(pl.Float64) / size).alias("part"),
    )
    return found["whole"], found["part"]


def drop_long_years(column: pl.Series) -> pl.Series:
    """Replace moments outside the years of four digits by null, a day at each end included."""
    physical, (first, behind) = column.to_physical(), _bounds(column.dtype)
    inside = (physical >= first) & (physical < behind)
    if inside.all():
        return column
    return pl.select(pl.when(inside).then(column).otherwise(None)).to_series()


def _bounds(dtype: pl.DataType) -> tuple[int, int]:
    if not isinstance(dtype, pl.Datetime):
        return FIRST_DAY, LAST_DAY + 1
    if dtype.time_unit == "ns":
        # INT96 timestamps that are too far away become the last possible one.
        return -(2**63) + 1, 2**63 - 1
    per_day = DAY_NS // STEP_NS[dtype.time_unit]
    return (FIRST_DAY + 1) * per_day, LAST_DAY * per_day
