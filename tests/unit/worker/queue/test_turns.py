"""Turns: each model gets its share of the worker's time, however much the others ask for."""

from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serval.worker.queue.turns import Turns

SHARE_OF_ONE = 3.0
"""Turns of the longest length that shares may differ by: one under way, one charged by a guess."""


def serve(turns: Turns, model: str, seconds: float, weight: int = 1) -> None:
    turn = turns.take(model, weight)
    turns.serve(turn)
    turns.settle(turn, seconds)


def share(seconds: Mapping[str, float], weights: Mapping[str, int], rounds: int) -> Counter[str]:
    """Give the time of each model while all of them always have something to do."""
    turns, had = Turns(), Counter[str]()
    for _ in range(rounds):
        model = turns.first(seconds)
        assert model is not None
        serve(turns, model, seconds[model], weights[model])
        had[model] += seconds[model]  # type: ignore[assignment]
    return had


def test_models_whose_runs_take_different_times_get_the_same_time() -> None:
    had = share({"slow": 4.0, "quick": 0.5}, {"slow": 1, "quick": 1}, 900)
    assert had["slow"] == pytest.approx(had["quick"], rel=0.02)


def test_a_weight_multiplies_a_models_time() -> None:
    had = share({"a": 1.0, "b": 1.0}, {"a": 3, "b": 1}, 400)
    assert had["a"] == pytest.approx(3 * had["b"], rel=0.02)


@given(
    st.dictionaries(
        st.sampled_from("abcd"),
        st.tuples(st.floats(0.01, 10), st.integers(1, 10)),
        min_size=2,
    )
)
def test_nobodys_share_is_ever_far_from_its_due(asked: dict[str, tuple[float, int]]) -> None:
    seconds = {model: took for model, (took, _) in asked.items()}
    weights = {model: weight for model, (_, weight) in asked.items()}
    had = share(seconds, weights, 200)
    per_weight = [had[model] / weights[model] for model in asked]
    bound = SHARE_OF_ONE * max(seconds[model] / weights[model] for model in asked)
    assert max(per_weight) - min(per_weight) <= bound


def test_who_has_asked_for_nothing_is_next_but_saves_nothing_up() -> None:
    turns = Turns()
    for _ in range(100):
        serve(turns, "busy", 1.0)
    assert turns.first(["busy", "light"]) == "light"
    serve(turns, "light", 1.0)
    assert turns.first(["busy", "light"]) == "busy"


def test_a_batch_that_is_prepared_ahead_lets_a_light_model_pass() -> None:
    turns = Turns()
    running = turns.take("busy", 1)
    turns.serve(running)
    ahead = turns.take("busy", 1)
    assert turns.order("light") < ahead.order


def test_a_turn_that_comes_to_nothing_costs_nothing() -> None:
    turns = Turns()
    serve(turns, "a", 5.0)
    before = turns.order("a")
    turns.give_up(turns.take("a", 1))
    assert turns.order("a")[0] == before[0]


def test_nobody_waits_for_nobody() -> None:
    assert Turns().first([]) is None
