"""``python -m tests.mutations``: many mutated events over every route, with figures.

The events of a route are numbered, and always the same: ``--first N --events 1 --routes PART``
sends one of them again.
"""

import argparse
import sys

from tests.mutations.run import Figures, peak_mib, resident_mib, run
from tests.mutations.stage import Stage, routes

WARM_SHARE = 0.2
"""Of the events, after which nothing of what the functions keep is new."""
MOST_GROWTH_MIB = 24
MOST_PEAK_MIB = 192 + 64
"""What is kept free for requests beside the models, and the event itself in this process."""
WEIGHT = {"POST": 4, "PUT": 8}
"""Events of a method's routes for each one of the others: they have bodies."""


def main() -> None:
    """Run, print, and exit with 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations")
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0, help="number of each route's first event")
    parser.add_argument("--routes", default="", help="only those that this is a part of")
    given = parser.parse_args()
    chosen = [one for one in routes() if given.routes in f"{one.method} {one.template}"]
    weights = [WEIGHT.get(route.method, 1) for route in chosen]
    shares = [max(1, given.events * weight // sum(weights)) for weight in weights]
    stage, figures = Stage(), Figures()
    for route in chosen:
        run(stage, route, range(given.first, given.first + 20), Figures())
    for route, share in zip(chosen, shares, strict=True):
        first, warm = given.first, given.first + int(share * WARM_SHARE)
        run(stage, route, range(first, warm), figures)
    before = resident_mib()
    for route, share in zip(chosen, shares, strict=True):
        warm, last = given.first + int(share * WARM_SHARE), given.first + share
        run(stage, route, range(warm, last), figures)
    stage.close()
    report(figures, resident_mib() - before, peak_mib() - before, len(chosen))


def report(figures: Figures, growth: float, peak: float, count: int) -> None:
    """Print the figures."""
    statuses = ", ".join(f"{status}: {times}" for status, times in sorted(figures.statuses.items()))
    print(f"{figures.events} events over {count} routes; {statuses}")
    print(f"memory: {growth:+.1f} MiB after the first fifth; at most {peak:.1f} MiB for a request")
    print(f"the slowest took {figures.slowest[0]:.2f} s of the processor: {figures.slowest[1]}")
    for failure in figures.failures[:40]:
        print(failure)
    if figures.failures or growth > MOST_GROWTH_MIB or peak > MOST_PEAK_MIB:
        sys.exit(1)


if __name__ == "__main__":
    main()
