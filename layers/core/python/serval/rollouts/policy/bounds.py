"""One-sided confidence bounds for the decisions of rollouts.

Sources: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
Journal of the American Statistical Association 22 (1927), for the bound of a rate; and the normal
approximation of the binomial ranks of order statistics, as in W. J. Conover, "Practical
Nonparametric Statistics", 3rd edition, section 3.2, for the bounds of a quantile.
"""

import math
from statistics import NormalDist

CONFIDENCE = 0.95
Z = NormalDist().inv_cdf(CONFIDENCE)


def rate_lower_bound(events: int, trials: int) -> float:
    """Return the lower confidence bound of a rate (0..1); 0 without events."""
    if events == 0:
        return 0.0
    rate = events / trials
    spread = Z * math.sqrt(rate * (1 - rate) / trials + (Z / (2 * trials)) ** 2)
    centre = rate + Z * Z / (2 * trials)
    return max(0.0, (centre - spread) / (1 + Z * Z / trials))


def quantile_ranks(quantile: float, trials: int) -> tuple[float, float]:
    """Return the sample's quantiles (0..1) that bound a quantile from below and from above.

    The true 95th percentile, for instance, lies above the first of them and below the second,
    with 95 % confidence each.
    """
    if trials == 0:
        return 0.0, 1.0
    spread = Z * math.sqrt(quantile * (1 - quantile) / trials)
    return max(0.0, quantile - spread), min(1.0, quantile + spread)
