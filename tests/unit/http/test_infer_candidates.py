"""``infer`` with a candidate: who answers, and whom a failure is counted against."""

import json
from typing import Any

import pytest
from onnx import TensorProto, helper

from serval.models.route import Route
from tests.fakes.inference import (
    TWO_COLUMNS,
    Bench,
    answer,
    document,
    event,
    graph,
    plus,
    refusal,
)


def test_an_affinity_key_stays_with_its_version(ready: Bench) -> None:
    ready.edge.publish("adder", "2", plus(10), TWO_COLUMNS)
    ready.edge.routes["adder"] = Route("1", "2", 50, "rollout-1", 2)
    for affinity in ("ann", "bob", "cyn"):
        versions = {
            answer(
                ready.endpoint.reply(
                    event("adder", document(), request_id=str(n), serval_affinity=affinity)
                )
            )["model_version"]
            for n in range(5)
        }
        assert len(versions) == 1


def test_requests_are_counted_by_track(ready: Bench) -> None:
    ready.edge.publish("adder", "2", plus(10), TWO_COLUMNS)
    ready.edge.routes["adder"] = Route("1", "2", 50, "rollout-1", 2)
    for n in range(40):
        answer(ready.endpoint.reply(event("adder", document(), request_id=str(n))))
    ready.endpoint.metrics.flush()
    counts: dict[str, int] = {}
    for line in ready.printed:
        metric = json.loads(line)
        counts[metric["Track"]] = counts.get(metric["Track"], 0) + metric["Requests"]
    assert sum(counts.values()) == 40
    assert counts.keys() == {"stable", "candidate"}


def test_a_rollout_hears_nothing_of_requests_that_named_their_version(ready: Bench) -> None:
    ready.edge.publish("adder", "2", plus(10), TWO_COLUMNS)
    ready.edge.routes["adder"] = Route("1", "2", 50, "rollout-1", 2)
    artifact = ready.edge.artifacts.pop(("adder", "2"))
    refusal(ready.endpoint.reply(event("adder", document(), version="2")), 503)
    ready.edge.artifacts["adder", "2"] = artifact
    by_header = event("adder", document())
    by_header["headers"]["serval-model-version"] = "2"
    answer(ready.endpoint.reply(by_header))
    answer(ready.endpoint.reply(event("adder", document(), version="1")))
    ready.endpoint.metrics.flush()
    counted = [json.loads(line) for line in ready.printed]
    assert {line["Track"] for line in counted} == {"pinned-stable", "pinned-candidate"}
    assert sum(line["Errors"] for line in counted) == 1


def failing(addend: float) -> bytes:
    """Give a model that fails on rows whose first value is not 0: an index out of bounds."""
    shape = ["rows", 2]
    nodes = [
        helper.make_node("Cast", ["x"], ["index"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "index"], ["y"]),
    ]
    table = helper.make_tensor("table", TensorProto.FLOAT, [1], [addend])
    return graph(
        [("x", TensorProto.FLOAT, shape)], [("y", TensorProto.FLOAT, shape)], nodes, [table]
    )


def test_what_a_candidate_cannot_answer_the_stable_version_does(ready: Bench) -> None:
    ready.edge.publish("adder", "2", failing(7), TWO_COLUMNS)
    ready.edge.routes["adder"] = Route("1", "2", 100, "rollout-1", 2)
    served = [
        ready.endpoint.reply(event("adder", document(data=[value, 0])))["headers"]
        for value in (0, 5)
    ]
    ready.endpoint.metrics.flush()
    counts = [json.loads(line) for line in ready.printed]
    assert [headers["serval-model-version"] for headers in served] == ["2", "1"]
    assert sum(count["Errors"] for count in counts if count["Track"] == "candidate") == 1
    assert "candidate" in json.loads(ready.log[0])


def test_a_version_asked_for_by_number_answers_for_itself(ready: Bench) -> None:
    ready.edge.publish("adder", "2", failing(7), TWO_COLUMNS)
    ready.edge.routes["adder"] = Route("1", "2", 100, "rollout-1", 2)
    sent = event("adder", document(data=[5, 0]), version="2")
    assert "the model cannot answer these inputs" in refusal(ready.endpoint.reply(sent), 400)


def test_what_no_version_can_answer_is_the_clients_own_error(ready: Bench) -> None:
    ready.edge.publish("adder", "2", plus(2), TWO_COLUMNS)
    ready.edge.routes["adder"] = Route("1", "2", 100, "rollout-1", 2)
    assert refusal(ready.endpoint.reply(event("adder", document(data=[1]))), 400)
    ready.endpoint.metrics.flush()
    assert ready.printed == []


def test_data_that_neither_version_can_work_on_counts_for_neither(ready: Bench) -> None:
    ready.edge.publish("adder", "2", failing(7), TWO_COLUMNS)
    ready.edge.publish("adder", "3", failing(8), TWO_COLUMNS)
    for percent in (0, 100):
        ready.edge.routes["adder"] = Route("2", "3", percent, "rollout-1", 2)
        message = refusal(ready.endpoint.reply(event("adder", document(data=[5, 0]))), 400)
        assert "its operator Gather says: indices element out of data bounds" in message
    ready.endpoint.metrics.flush()
    assert (ready.printed, ready.log) == ([], [])


def test_a_candidate_that_cannot_be_loaded_fails_nobody(ready: Bench) -> None:
    ready.edge.publish("adder", "2", plus(2), TWO_COLUMNS)
    ready.edge.routes["adder"] = Route("1", "2", 100, "rollout-1", 2)
    del ready.edge.artifacts["adder", "2"]
    assert answer(ready.endpoint.reply(event("adder", document())))["model_version"] == "1"


def test_a_crash_counts_as_an_error_and_is_not_hidden(ready: Bench) -> None:
    answer(ready.endpoint.reply(event("adder", document())))
    loaded = ready.endpoint.inference.loaded.get("adder", "1")

    class Crash(Exception):
        pass

    class Crashing:
        def run(self, inputs: object, outputs: object) -> Any:
            raise Crash

    object.__setattr__(loaded, "model", Crashing())
    with pytest.raises(Crash):
        ready.endpoint.reply(event("adder", document()))
    assert sum(json.loads(line)["Errors"] for line in ready.printed) == 1


@pytest.mark.parametrize(
    "asked",
    [
        {"outputs": [{"name": "y", "parameters": {"classification": 1}}]},
        {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32",
                     "parameters": {"shared_memory_region": "r"}}]},
    ],
)  # fmt: skip
def test_what_serval_does_not_support_is_no_failure_of_a_version(
    ready: Bench, asked: dict[str, Any]
) -> None:
    ready.edge.publish("adder", "2", plus(2), TWO_COLUMNS)
    ready.edge.routes["adder"] = Route("1", "2", 50, "rollout-1", 2)
    for version in ("1", "2", None):
        sent = event("adder", document(**asked), version=version)
        assert "is not supported" in refusal(ready.endpoint.reply(sent), 400)
    ready.endpoint.metrics.flush()
    assert (ready.printed, ready.log) == ([], [])


def test_a_store_that_does_not_answer_is_not_held_against_the_candidate(ready: Bench) -> None:
    ready.edge.publish("adder", "2", plus(2), TWO_COLUMNS)
    ready.edge.routes["adder"] = Route("1", "2", 100, "rollout-1", 2)
    ready.edge.silent = True
    assert "did not answer" in refusal(ready.endpoint.reply(event("adder", document())), 503)
    assert refusal(ready.endpoint.reply(event("adder", document(), version="2")), 503)
    ready.endpoint.metrics.flush()
    assert ready.printed == []
