"""Prices of machines: list prices of us-east-1, for estimates only.

On-demand prices seldom change. Spot prices change all the time and differ between zones: these are
typical values, and ``aws ec2 describe-spot-price-history`` has the current ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass

AS_OF = "2026-11-21"
REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars an hour."""

    on_demand: float
    spot: float | None = None
    """None: there are no spot machines of the type, or their price is unknown."""


PRICES: Mapping[str, Price] = {
    "g4dn.xlarge": Price(0.526, 0.21),
    "g5.xlarge": Price(1.006, 0.48),
    "g6.xlarge": Price(0.8048, 0.40),
    "inf2.xlarge": Price(0.7582, 0.30),
    "c7i.2xlarge": Price(0.357),
    "ml.g4dn.xlarge": Price(0.736),
    "ml.g5.xlarge": Price(1.408),
    "ml.g6.xlarge": Price(1.127),
    "ml.inf2.xlarge": Price(0.99),
    "ml.m7i.xlarge": Price(0.242),
    "ml.c7i.xlarge": Price(0.214),
}
