"""Shards of a handler on Lambda: the bodies of rows go to its own function and come back."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from serval.batch.job.cost import PRICES, actual_usage
from serval.errors import InvalidInputs, MalformedBody, ServiceUnavailable
from serval.handlers.row_bodies import DistantHandler, distant_handlers
from serval.inference.loaded import Loaded
from serval.inference.runtimes import RuntimeFailed
from serval.models.signature import TensorSpec
from serval.models.tensor import Tensor
from serval.protocol.limits import HANDLER_BODY_BYTES
from tests.fakes.batch import BatchStage, scheduled
from tests.fakes.handler_functions import InMemoryFunction
from tests.fakes.inference import handler_record

ANSWER = TensorSpec("answer", "BYTES", (-1,))


def upper(body: bytes) -> bytes:
    if body == b"bad":
        raise MalformedBody("the body is bad")
    if body == b"worse":
        raise RuntimeFailed("handler.py raised KeyError")
    return body.upper()


def run(function: InMemoryFunction, bodies: Sequence[bytes], version: str = "1") -> list[bytes]:
    given = Tensor("body", "BYTES", np.array(bodies, object))
    [found] = DistantHandler(function.ask, "adding", version).run([given], [ANSWER])
    assert found.name == "answer"
    return list(found.array)


def stage_of(function: InMemoryFunction, **bundle: object) -> BatchStage:
    stage = BatchStage()
    stage.registry.publish(handler_record("adding", b"code", bundle=bundle))
    find = distant_handlers(function.ask)

    def load(model: str, version: str) -> Loaded:
        record = stage.registry.version(model, version)
        handler = find(record)
        assert handler is not None
        return Loaded.elsewhere(record, handler)

    stage.work = replace(stage.work, load=load)
    return stage


def test_bodies_are_answered_in_order_in_as_many_calls_as_it_takes() -> None:
    function = InMemoryFunction(upper, calls_at_once=2)
    assert run(function, [b"a", b"b", b"c", b"d", b"e"]) == [b"A", b"B", b"C", b"D", b"E"]
    assert function.asked == [5, 3, 1]
    assert function.process.called == [b"a", b"b", b"c", b"d", b"e"]


def test_a_call_that_only_loaded_the_version_is_repeated() -> None:
    function = InMemoryFunction(upper, late=3)
    assert run(function, [b"a"]) == [b"A"]
    assert function.asked == [1, 1, 1, 1]


def test_a_function_that_never_has_time_is_given_up() -> None:
    with pytest.raises(ServiceUnavailable, match="was called 10 times, and had no time left for"):
        run(InMemoryFunction(upper, late=99), [b"a"])


def test_bytes_that_are_no_text_survive() -> None:
    assert run(InMemoryFunction(lambda body: body), [b"\xff\x00", b""]) == [b"\xff\x00", b""]


def test_an_event_and_its_answer_hold_no_more_than_lambda_takes() -> None:
    function = InMemoryFunction(lambda body: body)
    large = b"x" * (HANDLER_BODY_BYTES // 2)
    assert run(function, [large, large, large]) == [large] * 3
    assert function.asked == [2, 1]
    doubled = InMemoryFunction(lambda body: body * 2)
    assert run(doubled, [large, large]) == [large * 2] * 2
    assert doubled.asked == [2, 1]


@pytest.mark.parametrize(
    ("body", "answer", "error", "said"),
    [
        (b"bad", upper, InvalidInputs, "the body is bad"),
        (b"worse", upper, RuntimeFailed, "raised KeyError"),
        (
            b"x" * (HANDLER_BODY_BYTES + 1),
            upper,
            InvalidInputs,
            "at most 4194304 are sent to a handler",
        ),
        (
            b"x",
            lambda body: body * (HANDLER_BODY_BYTES + 1),
            RuntimeFailed,
            "at most 4194304 are taken",
        ),
    ],
)
def test_a_body_without_an_answer_is_told_with_its_reason(
    body: bytes, answer: Callable[[bytes], bytes], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        run(InMemoryFunction(answer), [body])


def test_a_version_that_does_not_load_is_the_functions_failure() -> None:
    with pytest.raises(ServiceUnavailable, match="model 'adding' has no version '2'"):
        run(InMemoryFunction(upper), [b"a"], version="2")


def test_a_job_of_a_handler_rejects_the_records_that_it_fails_on() -> None:
    function = InMemoryFunction(upper)
    stage = stage_of(function)
    rows = b"".join(
        json.dumps({"body": body}).encode() + b"\n" for body in ("a", "bad", "b", "worse", "c")
    )
    job = stage.run(stage.upload("rows.jsonl", rows, {"max_rejected_percent": 50}))
    assert (job.status, job.error, job.rows, job.rejected) == ("succeeded", None, 3, 2)
    assert stage.output(job, "output.jsonl") == b'{"answer":"A"}\n{"answer":"B"}\n{"answer":"C"}\n'
    refused = [json.loads(line) for line in stage.output(job, "errors.jsonl").splitlines()]
    assert [line["record"] for line in refused] == [1, 3]
    assert "raised KeyError" in refused[1]["reason"]


def test_objects_are_bodies_of_a_handler() -> None:
    stage = stage_of(InMemoryFunction(upper))
    for name in ("a.jpg", "b.jpg"):
        stage.objects.upload(f"s3://in-bucket/shots/{name}", name.encode())
    job = stage.run(scheduled("s3://in-bucket/shots/"))
    assert (job.status, job.error, job.rows) == ("succeeded", None, 2)
    assert b'"A.JPG"' in stage.output(job, "output.jsonl")


def test_its_cost_is_that_of_both_functions() -> None:
    costs = []
    for bundle in ({}, {"compute": {"memory_mib": 10_240}}):
        stage = stage_of(InMemoryFunction(upper), **bundle)
        job = stage.run(stage.upload("rows.jsonl", b'{"body": "a"}\n' * 500, {}))
        [shard] = stage.store.shards(job.id)
        assert shard.memory_mib == 1769 + bundle.get("compute", {}).get("memory_mib", 1769)
        assert job.estimated_seconds >= 50
        costs.append((job.estimated_microdollars, actual_usage(job, [shard]).microdollars(PRICES)))
    (estimate, actual), (dear_estimate, dear_actual) = costs
    assert estimate < dear_estimate
    assert actual < dear_actual


def test_a_graph_runs_where_it_is_asked_for() -> None:
    graph = BatchStage().registry.version("adding", "1")
    assert distant_handlers(InMemoryFunction(upper).ask)(graph) is None
