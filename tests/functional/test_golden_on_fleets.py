"""The golden check of what a fleet is to run: Lambda's CPU stands in, as far as it can."""

from pathlib import Path
from typing import Any

import pytest
from onnx import TensorProto, helper

from serval.inference.loaded import Limits
from tests.fakes.golden import MIB, Bench, rows, unary
from tests.fakes.inference import graph, plus
from tests.functional.test_golden import passed, refused

GOOD = rows([1.0, 2.0], [2.0, 3.0]) + rows([0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 2.0, 2.0])
GPU = {"name": "gpu", "accelerator": "nvidia"}
CPU = {"name": "cpu", "accelerator": "none"}
STANDS_IN = "checked on Lambda's CPU, which stands in for fleet 'gpu' (nvidia): "
MEASURED = (
    "p50_ms",
    "p95_ms",
    "peak_memory_mib",
    "best_batch_size",
    "rows_per_second",
    "session_ms",
)
NOTHING: dict[str, Any] = dict.fromkeys(("largest_difference", "form", *MEASURED)) | {
    "requests": 0,
    "rows": 0,
}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def normalising() -> bytes:
    """Give a graph of an operator that ONNX Runtime has for GPUs alone."""
    shape = ["rows", 2, 2, 32]
    ones = [helper.make_tensor(name, TensorProto.FLOAT, [32], [1.0] * 32) for name in "gb"]
    attributes = {"activation": 0, "epsilon": 1e-5, "groups": 4, "channels_last": 1}
    node = helper.make_node(
        "GroupNorm", ["x", "g", "b"], ["y"], domain="com.microsoft", **attributes
    )
    return graph([("x", TensorProto.FLOAT, shape)], [("y", TensorProto.FLOAT, shape)], [node], ones)


def test_a_right_answer_passes_without_measurements(bench: Bench) -> None:
    report = passed(bench.outcome(plus(1), GOOD, fleet=GPU))
    assert (report["largest_difference"], report["requests"], report["rows"]) == (0.0, 2, 3)
    assert [report[name] for name in MEASURED] == [None] * len(MEASURED)
    [note] = report["notes"]
    assert note.startswith(STANDS_IN)


def test_a_fleet_without_accelerators_is_no_lambda_either(bench: Bench) -> None:
    report = passed(bench.outcome(plus(1), GOOD, fleet=CPU))
    assert report["p50_ms"] is None
    assert report["notes"][0].startswith("checked on Lambda's CPU, which stands in for fleet 'cpu'")


def test_a_wrong_answer_is_wrong_on_a_fleet_too(bench: Bench) -> None:
    [reason] = refused(bench.outcome(plus(2), rows([1.0, 2.0], [2.0, 3.0]), fleet=GPU))
    assert reason.startswith("golden.jsonl line 1: output 'y': element [0, 0]: 3 given, 2 expected")


def test_without_golden_requests_the_model_still_has_to_run(bench: Bench) -> None:
    report = passed(bench.outcome(plus(1), fleet=GPU))
    assert (report["largest_difference"], report["requests"]) == (None, 0)
    assert report["notes"][0].startswith(STANDS_IN)
    assert "compared with nothing" in report["notes"][1]


def test_a_model_too_large_for_lambda_is_not_checked(bench: Bench) -> None:
    bench.limits = Limits(memory_bytes=100, disk_bytes=MIB)
    report = passed(bench.outcome(plus(1), GOOD, fleet=GPU))
    assert report == NOTHING | {
        "notes": [
            "not checked before it gets traffic: it is too large for the function that checks "
            "what fleet 'gpu' (nvidia) runs; the first canary step is the check"
        ]
    }


def test_what_a_server_runs_is_not_checked(bench: Bench) -> None:
    report = passed(bench.outcome(plus(1), GOOD, fleet=GPU, runtime={"kind": "http"}))
    assert report == NOTHING | {
        "notes": [
            "not checked here, where there is no inference server to run model.onnx: each machine "
            "of its fleet asks a new version its golden requests before anybody else"
        ]
    }


def test_an_operator_of_gpus_alone_is_not_checked(bench: Bench) -> None:
    report = passed(bench.outcome(normalising(), fleet=GPU))
    [note] = report["notes"]
    assert note.startswith(
        "not checked before it gets traffic: Lambda's CPU has no kernel for it, fleet 'gpu' "
        "(nvidia) may: "
    )
    assert "GroupNorm" in note
    assert note.endswith("; the first canary step is the check")


@pytest.mark.parametrize("fleet", [None, CPU])
def test_an_operator_of_gpus_alone_is_refused_where_there_is_none(
    bench: Bench, fleet: dict[str, str] | None
) -> None:
    [reason] = refused(bench.outcome(normalising(), fleet=fleet))
    assert reason.startswith("model.onnx does not load where it is to run: ")


def test_a_damaged_graph_is_refused_for_a_fleet_too(bench: Bench) -> None:
    event = bench.event(plus(1), GOOD, fleet=GPU)
    bench.swap(event, "model.onnx", b"not a graph")
    [reason] = refused(bench.check.check(event))
    assert reason.startswith("model.onnx does not load where it is to run: ")


def test_a_slow_stand_in_is_asked_for_two_minutes(bench: Bench) -> None:
    bench.clock.tick = 20.0
    report = passed(bench.outcome(plus(1), rows([1.0, 2.0], [2.0, 3.0]) * 50, fleet=GPU))
    assert 1 <= report["requests"] < 10
    assert report["notes"][1] == (
        f"{report['requests']} of 50 golden requests were asked here, where they take long"
    )
    assert bench.clock.seconds < 300


def test_one_request_is_asked_however_long_it_takes(bench: Bench) -> None:
    bench.clock.tick = 150.0
    [reason] = refused(bench.outcome(unary("Sqrt"), GOOD, fleet=GPU))
    assert "line 1" in reason


def test_lambda_is_asked_everything(bench: Bench) -> None:
    bench.clock.tick = 20.0
    assert passed(bench.outcome(plus(1), rows([1.0, 2.0], [2.0, 3.0]) * 50))["requests"] == 50
