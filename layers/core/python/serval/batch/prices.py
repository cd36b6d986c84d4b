"""Prices, dated: what a job costs is computed from them, and is never a bill.

On-demand list prices of us-east-1 in USD. Other regions differ by some percent; what a fleet's
machines cost depends on the day, so it is not in here.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What things cost, in USD."""

    dated: str
    lambda_gb_second: float
    lambda_request: float
    step_functions_transition: float
    s3_write: float
    s3_read: float
    dynamodb_write: float
    dynamodb_read: float


PRICES = Prices(
    dated="2026-05",
    lambda_gb_second=0.0000133334,
    lambda_request=0.20e-6,
    step_functions_transition=25e-6,
    s3_write=0.005e-3,
    s3_read=0.0004e-3,
    dynamodb_write=0.625e-6,
    dynamodb_read=0.125e-6,
)
"""Lambda's are those of arm64."""
