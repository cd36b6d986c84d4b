"""What the runs of one call took together."""

from serval.pipelines.step_times import StepTimes


def test_the_times_of_several_runs_are_those_of_one_call() -> None:
    together = StepTimes()
    together.add(StepTimes([("a", 1.0), ("b", 2.0)], 5.0, {"a": "1"}, {"a": "miss"}, ("a",)))
    together.add(StepTimes([("b", 3.0)], 0.5, {"b": "4"}, {"a": "hit", "b": "hit"}))
    assert together.steps_ms == [("a", 1.0), ("b", 5.0)]
    assert together.load_ms == 5.5
    assert together.versions == {"a": "1", "b": "4"}
    assert together.cached == {"a": "miss", "b": "hit"}, "a hit is one of every run"
    assert together.failed == ("a",)
    assert together.has_hit


def test_a_step_that_ends_now_began_as_long_ago_as_it_took() -> None:
    times = StepTimes(now=lambda: 1_000.0)
    times.note("a", 250.0)
    assert (times.steps_ms, times.spans) == ([("a", 250.0)], [("a", 999.75, 1_000.0)])
