"""The golden check: a candidate passes with measurements, or is refused with reasons in words."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import yaml
from onnx import TensorProto, helper

from serval.errors import ArtifactUnavailable
from serval.inference.loaded import Limits
from tests.fakes.golden import (
    CPU_CLASS,
    GOOD,
    MIB,
    UPLOAD,
    Bench,
    classifying,
    line,
    looking_up,
    passed,
    reshaping,
    rows,
    tensor,
    unary,
)
from tests.fakes.handlers import Context
from tests.fakes.inference import graph, identity, plus

ROOT = Path(__file__).parents[2]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def refused(outcome: dict[str, Any]) -> list[str]:
    assert outcome["outcome"] == "refused", outcome
    json.dumps(outcome, allow_nan=False)
    reasons: list[str] = outcome["reasons"]
    return reasons


def test_nothing_of_a_candidate_stays_on_the_disk(bench: Bench) -> None:
    bench.outcome(plus(1), GOOD)
    bench.outcome(unary("Sqrt"), GOOD)
    assert list(bench.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("off", "outcome"), [(1.0, "passed"), (1.00001, "refused"), (-0.5, "passed")]
)
def test_the_tolerance_includes_its_edge(bench: Bench, off: float, outcome: str) -> None:
    golden = rows([1.0, 2.0], [2.0 + off, 3.0])
    assert bench.outcome(plus(1), golden, golden_tolerance=0.25)["outcome"] == outcome


def test_a_difference_within_the_tolerance_is_reported(bench: Bench) -> None:
    golden = rows([1.0, 2.0], [2.125, 3.0])
    assert passed(bench.outcome(plus(1), golden, golden_tolerance=0.25))[
        "largest_difference"
    ] == pytest.approx(0.125)


def test_nan_where_the_golden_says_numbers_is_refused(bench: Bench) -> None:
    assert refused(bench.outcome(unary("Sqrt"), rows([4.0, -1.0], [2.0, 1.0]))) == [
        "golden.jsonl line 1: output 'y': element [0, 1]: NaN given, 1 expected"
    ]


def test_a_wrong_label_is_refused_whatever_the_tolerance(bench: Bench) -> None:
    golden = line(
        [tensor("x", "FP32", [2, 2], [0.0, 1.0, 0.0, 1.0])],
        [
            tensor("label", "INT64", [2], [1, 0]),
            tensor("scores", "FP32", [2, 2], [0.26894143, 0.7310586] * 2),
        ],
    )
    assert refused(bench.outcome(classifying(), golden, golden_tolerance=100.0)) == [
        "golden.jsonl line 1: output 'label': element [1]: 1 given, 0 expected"
    ]


@pytest.mark.parametrize(
    ("artifact", "operator"), [(looking_up(1.0), "Gather"), (reshaping(3), "Reshape")]
)
def test_a_failure_inside_the_model_is_refused_in_its_own_words(
    bench: Bench, artifact: bytes, operator: str
) -> None:
    [reason] = refused(bench.outcome(artifact, rows([5.0, 0.0], [1.0, 1.0])))
    assert reason.startswith(
        f"golden.jsonl line 1: the model cannot answer these inputs: its operator {operator} says: "
    )


@pytest.mark.parametrize(
    ("given", "expected", "reason"),
    [
        (
            tensor("z", "FP32", [1, 2], [1.0, 2.0]),
            tensor("y", "FP32", [1, 2], [2.0, 3.0]),
            "line 1: input 'z' is unknown: the model takes x",
        ),
        (
            tensor("x", "FP64", [1, 2], [1.0, 2.0]),
            tensor("y", "FP32", [1, 2], [2.0, 3.0]),
            "line 1: tensor 'x': datatype FP64 given, FP32 expected",
        ),
        (
            tensor("x", "FP32", [1, 3], [1.0, 2.0, 3.0]),
            tensor("y", "FP32", [1, 2], [2.0, 3.0]),
            "line 1: tensor 'x': shape [1, 3] given, [-1, 2] expected (-1: any extent)",
        ),
        (
            tensor("x", "FP32", [1, 2], [1.0]),
            tensor("y", "FP32", [1, 2], [2.0, 3.0]),
            "line 1: tensor 'x': shape [1, 2] holds 2 values, got 1",
        ),
        (
            tensor("x", "FP32", [1, 2], [1.0, 2.0]),
            tensor("probabilities", "FP32", [1, 2], [2.0, 3.0]),
            "line 1: output 'probabilities' is expected, the model's answer has y",
        ),
        (
            tensor("x", "FP32", [1, 2], [1.0, 2.0]),
            tensor("y", "FP32", [2], [2.0, 3.0]),
            "line 1: output 'y': shape [1, 2] given, [2] expected",
        ),
    ],
)
def test_requests_that_do_not_fit_the_candidate_are_refused(
    bench: Bench, given: dict[str, Any], expected: dict[str, Any], reason: str
) -> None:
    assert refused(bench.outcome(plus(1), line([given], [expected]))) == [f"golden.jsonl {reason}"]


def test_only_the_requested_outputs_are_given(bench: Bench) -> None:
    golden = json.loads(
        line(
            [tensor("x", "FP32", [1, 2], [0.0, 1.0])],
            [tensor("label", "INT64", [1], [1]), tensor("scores", "FP32", [1, 2], [0.0, 0.0])],
        )
    )
    golden["request"]["outputs"] = [{"name": "label"}]
    assert refused(bench.outcome(classifying(), json.dumps(golden).encode())) == [
        "golden.jsonl line 1: output 'scores' is expected, the model's answer has label"
    ]


def test_ragged_lines_are_refused_before_anything_runs(bench: Bench) -> None:
    ragged = line(
        [tensor("x", "FP32", [2, 2], [1.0, 2.0])],
        [tensor("y", "FP32", [2, 2], [[1.0], [1.0, 2.0]])],
    )
    [reason] = refused(bench.outcome(plus(1), GOOD + ragged))
    assert reason == (
        "golden.jsonl line 3: tensor 'y': nested data does not follow shape [2, 2] on axis 1"
    )


def test_the_first_ten_reasons_are_kept(bench: Bench) -> None:
    reasons = refused(bench.outcome(plus(1), rows([1.0, 2.0], [9.0, 9.0]) * 15))
    assert len(reasons) == 11
    assert reasons[9].startswith("golden.jsonl line 10: output 'y': element [0, 0]: 2 given")
    assert reasons[10] == "and 5 more like these"


def test_a_candidate_that_does_not_open_is_refused(bench: Bench) -> None:
    event = bench.event(plus(1), GOOD)
    bench.swap(event, "model.onnx", b"not a graph")
    [reason] = refused(bench.check.check(event))
    assert reason.startswith("model.onnx does not load where it is to run: ")


def test_a_candidate_too_large_for_its_function_is_refused(bench: Bench) -> None:
    bench.limits = Limits(memory_bytes=100, disk_bytes=MIB)
    [reason] = refused(bench.outcome(plus(1), GOOD))
    assert "bytes of memory" in reason


def test_a_lost_file_is_no_verdict_on_the_candidate(bench: Bench) -> None:
    event = bench.event(plus(1), GOOD)
    bench.bucket.objects[f"incoming/iris/{UPLOAD}/model.onnx", "v1"] = b"other bytes"
    with pytest.raises(ArtifactUnavailable, match=r"model\.onnx is gone"):
        bench.check.check(event)


def test_the_form_that_fits_the_cpu_is_checked(bench: Bench) -> None:
    forms = {"portable": (None, plus(5)), "here": (CPU_CLASS, plus(1)), "other": ("arm", plus(7))}
    assert passed(bench.outcome(plus(9), GOOD, forms=forms))["form"] == "here"
    del forms["here"]
    assert refused(bench.outcome(plus(1), GOOD, forms=forms))
    forms["portable"] = (None, plus(1))
    assert passed(bench.outcome(plus(9), GOOD, forms=forms))["form"] == "portable"


def test_a_form_that_does_not_open_leaves_the_published_artifact(bench: Bench) -> None:
    report = passed(bench.outcome(plus(1), GOOD, forms={"portable": (None, b"not a graph")}))
    assert report["form"] == "published"
    assert report["notes"] == ["form 'portable' does not open on this machine: run as published"]
    assert "portable" in bench.log[0]


def test_without_golden_requests_the_model_has_to_run(bench: Bench) -> None:
    report = passed(bench.outcome(plus(1)))
    assert report["largest_difference"] is None
    assert (report["requests"], report["rows"]) == (0, 0)
    assert "compared with nothing" in report["notes"][0]
    assert report["best_batch_size"] > 1


def test_without_golden_requests_open_extents_are_guessed(bench: Bench) -> None:
    kernel = np.ones((1, 1, 9, 9), np.float32)
    pooled = graph(
        [("x", TensorProto.FLOAT, ["n", 1, "height", "width"])],
        [("y", TensorProto.FLOAT, ["n", 1, "h", "w"])],
        [helper.make_node("Conv", ["x", "kernel"], ["y"])],
        [helper.make_tensor("kernel", TensorProto.FLOAT, kernel.shape, kernel.ravel().tolist())],
    )
    assert passed(bench.outcome(pooled))["requests"] == 0


def test_a_model_that_runs_on_nothing_made_up_is_refused_with_a_remedy(bench: Bench) -> None:
    reasons = refused(bench.outcome(reshaping(3)))
    assert reasons[0].startswith("the model fails on made-up inputs (x [1, 2]): ")
    assert "publish golden requests" in reasons[-1]


@pytest.mark.parametrize("datatype", ["BYTES", "BF16", "FP16", "BOOL", "INT64"])
def test_every_datatype_can_be_made_up(bench: Bench, datatype: str) -> None:
    assert passed(bench.outcome(identity(datatype, ["rows", 3])))["best_batch_size"] >= 1


@pytest.mark.parametrize("model", ["iris", "digits", "diabetes"])
def test_the_example_models_pass(bench: Bench, model: str) -> None:
    folder = ROOT / "models" / model
    assert (folder / "model.onnx").exists(), "run `make models`"
    bundle = yaml.safe_load((folder / "model.yaml").read_text())
    report = passed(
        bench.outcome(
            (folder / "model.onnx").read_bytes(),
            (folder / "golden.jsonl").read_bytes(),
            golden_tolerance=bundle["golden_tolerance"],
            batching={"max_batch_size": 32},
        )
    )
    assert 0 <= report["largest_difference"] <= bundle["golden_tolerance"]
    assert report["rows"] >= 10


@pytest.fixture
def handler(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import the handler as Lambda does, then put the bucket in memory behind it."""
    environment = {
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
        "ARTIFACT_BUCKET": "artifacts",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    spec = importlib.util.spec_from_file_location(
        "golden_handler", ROOT / "functions" / "golden" / "handler.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.ready = replace(module.ready, use_case=bench.check)  # type: ignore[attr-defined]
    return module


def test_the_function_answers_the_state_machine(handler: ModuleType, bench: Bench) -> None:
    answer = handler.handler(json.loads(json.dumps(bench.event(plus(1), GOOD))), Context())
    assert passed(answer)["requests"] == 2


def random() -> bytes:
    """Give a model that adds noise to ``x``, FP32 of shape [-1, 2]."""
    shape = ["rows", 2]
    return graph(
        [("x", TensorProto.FLOAT, shape)],
        [("y", TensorProto.FLOAT, shape)],
        [
            helper.make_node("RandomNormalLike", ["x"], ["noise"]),
            helper.make_node("Add", ["x", "noise"], ["y"]),
        ],
    )


def test_a_model_that_is_random_is_told_so_and_not_that_one_number_is_wrong(bench: Bench) -> None:
    first, second = refused(bench.outcome(random(), rows([1.0, 2.0], [1.0, 2.0])))
    assert first.startswith("the model answers differently each time that it is asked the same: ")
    assert "model.eval()" in first
    assert second.startswith("golden.jsonl line 1: ")


def test_a_random_model_without_golden_requests_passes_with_a_note(bench: Bench) -> None:
    notes = passed(bench.outcome(random()))["notes"]
    assert "the model answers differently each time that it is asked the same" in notes


def test_a_wrong_answer_that_is_always_the_same_is_no_random_one(bench: Bench) -> None:
    [reason] = refused(bench.outcome(plus(1), rows([1.0, 2.0], [1.0, 2.0])))
    assert reason.startswith("golden.jsonl line 1: ")
