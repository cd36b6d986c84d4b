"""What callers, workers, an endpoint and the sweep do to requests, as hypothesis draws it."""

from typing import Any

from hypothesis import strategies as st

from tests.stateful.request_stage import BODIES

NAMES = st.sampled_from([("a", "textgen"), ("a", "vision")])
WORKERS = st.sampled_from(["left", "right"])
BODY = st.sampled_from(BODIES)
STEPS = st.sampled_from(["fetch", "prepare", "run", "beat", "work", "drain"])
POST = st.tuples(st.just("post"), BODY, st.booleans())
PUT = st.tuples(st.just("put"), NAMES, BODY, st.booleans()) | POST
CANCEL = st.tuples(st.just("cancel"), NAMES)
RETRY = st.tuples(st.just("retry"), NAMES)
STEP = st.tuples(STEPS, WORKERS)
ENDPOINT = st.sampled_from([("dispatch",), ("endpoint_ends",), ("notice", True), ("notice", False)])
SWEEP = st.just(("sweep",))
MEANWHILE = PUT | CANCEL | RETRY | STEP | ENDPOINT | SWEEP

ABOUT: Any = None
"""Stands for the request that a race is about."""
LEFT, RIGHT = "left", "right"
RACERS = {
    "textgen": [
        ("cancel", ABOUT),
        ("retry", ABOUT),
        *((step, which) for step in ("prepare", "run") for which in (LEFT, RIGHT)),
        ("beat", LEFT),
        ("drain", LEFT),
        *[("take_again", LEFT)] * 3,
    ],
    "vision": [
        ("cancel", ABOUT),
        ("retry", ABOUT),
        ("dispatch",),
        ("endpoint_ends",),
        ("notice", True),
        ("notice", False),
        ("sweep",),
    ],
}
"""What may meet over one request of a model."""
RECEIVED = (("fetch", LEFT), ("fetch", RIGHT))
RUNNING = (("fetch", LEFT), ("prepare", LEFT), ("dispatch",))
LOST = (*RUNNING, ("pass_seconds", 130.0))
OVERTAKEN = (*LOST, ("fetch", RIGHT), ("prepare", RIGHT))
ENDED = (("dispatch",), ("endpoint_ends",))
LATE = (*ENDED, ("pass_seconds", 20_000.0), ("sweep",), ("dispatch",))
CANCELLED = (("fetch", LEFT), ("cancel", ABOUT))
RACES = {
    "textgen": [
        (RECEIVED, ("prepare", LEFT)),
        (RECEIVED, ("cancel", ABOUT)),
        *[(RUNNING, ("run", LEFT))] * 3,
        (RUNNING, ("beat", LEFT)),
        (RUNNING, ("drain", LEFT)),
        (RUNNING, ("cancel", ABOUT)),
        (OVERTAKEN, ("run", LEFT)),
        (OVERTAKEN, ("beat", LEFT)),
        (OVERTAKEN, ("drain", LEFT)),
        (CANCELLED, ("retry", ABOUT)),
        (CANCELLED, ("prepare", LEFT)),
    ],
    "vision": [
        ((), ("dispatch",)),
        ((), ("cancel", ABOUT)),
        (RUNNING, ("cancel", ABOUT)),
        (RUNNING, ("sweep",)),
        (ENDED, ("notice", False)),
        (ENDED, ("sweep",)),
        (LATE, ("notice", False)),
        (CANCELLED, ("retry", ABOUT)),
        (CANCELLED, ("dispatch",)),
    ],
}
"""How far a request is, and who then reads it and writes: in between comes somebody else."""


def races() -> st.SearchStrategy[tuple[Any, ...]]:
    """Draw a model, a situation, who reads and writes in it, others meanwhile, and what follows."""
    return st.sampled_from(list(RACES)).flatmap(
        lambda model: st.tuples(
            st.just(model),
            st.sampled_from(RACES[model]),
            st.lists(st.sampled_from(RACERS[model]), min_size=1, max_size=2),
            st.lists(st.sampled_from(RACERS[model]), max_size=2),
        )
    )
