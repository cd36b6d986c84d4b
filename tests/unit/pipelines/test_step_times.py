"""What the runs of one call took together."""

from serval.pipelines.step_times import StepSpan, StepTimes


def test_the_times_of_several_runs_are_those_of_one_call() -> None:
    together = StepTimes()
    spans = [StepSpan("a", 1.0, 7.0), StepSpan("b", 2.0, 8.0)]
    together.add(StepTimes(spans, 5.0, {"a": "1"}, {"a": "miss"}, ("a",)))
    together.add(StepTimes([StepSpan("b", 3.0, 9.0)], 0.5, {"b": "4"}, {"a": "hit", "b": "hit"}))
    assert together.steps_ms == [("a", 1.0), ("b", 5.0)]
    assert [span.ended for span in together.spans] == [7.0, 8.0, 9.0]
    assert together.load_ms == 5.5
    assert together.versions == {"a": "1", "b": "4"}
    assert together.cached == {"a": "miss", "b": "hit"}, "a hit is one of every run"
    assert together.failed == ("a",)
    assert together.has_hit


def test_a_step_is_noted_when_it_ends() -> None:
    times = StepTimes(now=lambda: 1_000.0)
    times.note("a", 250.0)
    assert (times.steps_ms, times.spans) == ([("a", 250.0)], [("a", 250.0, 1_000.0)])
