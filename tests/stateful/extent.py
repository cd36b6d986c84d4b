"""How long hypothesis drives the machines: seconds in ``make test``, minutes in ``make soak``."""

import os

from hypothesis import HealthCheck, Phase, settings

TIMES = int(os.environ.get("SERVAL_SOAK", "1"))
"""How many times the examples of ``make test``; more than once, a failure is made smaller too."""
QUICK = (Phase.explicit, Phase.reuse, Phase.generate)


def extent(examples: int, steps: int = 25) -> settings:
    """Give the settings of a machine that ``make test`` lets make so many examples."""
    return settings(
        max_examples=examples * TIMES,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=QUICK if TIMES == 1 else (*QUICK, Phase.shrink),
    )
