"""What the golden check measures, within bounds of time and memory."""

import os
from pathlib import Path

import numpy as np
import pytest

from serval.rollouts.golden import memory
from serval.rollouts.golden.latency import quantile
from serval.rollouts.golden.memory import forget_peak, peak_mib
from tests.fakes.golden import GOOD, MIB, Bench, line, passed, reshaping, tensor
from tests.fakes.inference import identity, plus


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_good_candidate_passes_with_its_measurements(bench: Bench) -> None:
    report = passed(bench.outcome(plus(1), GOOD))

    assert report["largest_difference"] == 0.0
    assert (report["requests"], report["rows"]) == (2, 3)
    assert report["p50_ms"] == pytest.approx(50)
    assert report["p95_ms"] == pytest.approx(50)
    assert report["session_ms"] == pytest.approx(50)
    assert report["peak_memory_mib"] == 100.0
    assert report["form"] == "published"
    assert report["notes"] == []


def test_the_peak_is_the_candidates_own(bench: Bench) -> None:
    bench.outcome(plus(1), GOOD)
    bench.outcome(plus(1), GOOD)
    assert bench.resident.forgotten == 2


def test_the_best_batch_size_is_the_one_of_most_rows_a_second(bench: Bench) -> None:
    report = passed(bench.outcome(plus(1), GOOD))
    assert (report["best_batch_size"], report["rows_per_second"]) == (8, pytest.approx(160))


def test_a_model_without_a_batch_axis_runs_alone(bench: Bench) -> None:
    golden = line([tensor("x", "FP32", [2], [1, 2])], [tensor("y", "FP32", [2], [1, 2])])
    report = passed(bench.outcome(identity("FP32", [2]), golden))
    assert (report["best_batch_size"], report["rows_per_second"]) == (1, None)
    assert (report["rows"], report["notes"]) == (1, [])


def test_a_batch_that_might_take_all_memory_is_not_tried(bench: Bench) -> None:
    bench.resident.mib = [100.0, 100.0, 100.0, 300.0, 900.0]
    report = passed(bench.outcome(plus(1), GOOD))
    assert report["best_batch_size"] == 2
    assert report["notes"] == [
        "best batch size: 4 rows might take more memory than the function has"
    ]


def test_a_batch_that_fails_ends_the_search_and_not_the_rollout(bench: Bench) -> None:
    golden = line(
        [tensor("x", "FP32", [3, 2], [1.0] * 6)], [tensor("y", "FP32", [2, 3], [1.0] * 6)]
    )
    report = passed(bench.outcome(reshaping(3), golden))
    assert report["best_batch_size"] == 1
    assert report["notes"][0].startswith("best batch size: 1 rows fail: ")


def test_slow_models_are_measured_for_a_bounded_time(bench: Bench) -> None:
    bench.clock.tick = 6.0
    report = passed(bench.outcome(plus(1), GOOD))
    assert report["p50_ms"] == pytest.approx(6000)
    assert bench.clock.seconds < 150
    assert report["notes"] == ["best batch size: more than 1 rows take too long to try"]


@pytest.mark.skipif(not os.access(memory.CLEAR_REFS, os.W_OK), reason="not on this kernel")
def test_the_peak_can_be_forgotten_where_the_kernel_allows_it() -> None:
    np.ones(256 * MIB // 8)
    before = peak_mib()
    forget_peak()
    assert peak_mib() < before - 100


def test_a_peak_that_cannot_be_forgotten_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "CLEAR_REFS", tmp_path / "missing" / "clear_refs")
    forget_peak()
    assert peak_mib() > 0


@pytest.mark.parametrize(
    ("share", "value"), [(0.5, 10.0), (0.95, 19.0), (0.951, 20.0), (1.0, 20.0), (0.0, 1.0)]
)
def test_a_quantile_is_a_value_that_was_measured(share: float, value: float) -> None:
    assert quantile([float(n) for n in range(1, 21)], share) == value
