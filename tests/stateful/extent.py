"""How far hypothesis goes: in ``make test`` a few examples, the same each time; in a soak, many."""

import os

from hypothesis import HealthCheck, Phase, settings

TIMES = int(os.environ.get("SERVAL_SOAK", "1"))
"""How many times the examples of ``make test``; more than once, they are others on each day."""
EXAMPLES = 30
"""Of a property that says no number of its own."""
QUICK = (Phase.explicit, Phase.reuse, Phase.generate)


def load_profile() -> None:
    """Set what holds for every property: no example is held to a clock."""
    settings.register_profile(
        "serval",
        max_examples=EXAMPLES * TIMES,
        deadline=None,
        derandomize=TIMES == 1,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    settings.load_profile("serval")


def extent(examples: int, steps: int = 25) -> settings:
    """Make the settings of a machine that ``make test`` lets make so many examples."""
    return settings(
        max_examples=examples * TIMES,
        stateful_step_count=steps,
        suppress_health_check=list(HealthCheck),
        phases=QUICK if TIMES == 1 else (*QUICK, Phase.shrink),
    )
