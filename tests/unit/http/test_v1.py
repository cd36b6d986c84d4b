"""KServe's V1 protocol: rows and whole inputs, of tensors and of tasks."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from onnx import TensorProto, helper

from serval.http.protocols.ask import ask_given
from serval.http.protocols.given import read_given
from serval.http.protocols.v1 import FORMS
from serval.inference.loaded import Loaded
from serval.models.signature import Signature, TensorSpec
from serval.models.tensor import Tensor
from serval.tasks.parameters import Parameters
from serval.tasks.task import InputKind
from tests.fakes.inference import Bench, bench, graph, identity, signature, version_record
from tests.fakes.protocol_calls import call
from tests.fakes.task_models import publish_sentiment

TWO = Signature(
    (TensorSpec("a", "FP32", (-1, 1)), TensorSpec("b", "INT64", (-1, 2))),
    (TensorSpec("twice", "FP32", (-1, 1)), TensorSpec("same", "INT64", (-1, 2))),
)


def two_inputs() -> bytes:
    number, whole = TensorProto.FLOAT, TensorProto.INT64
    nodes = [
        helper.make_node("Add", ["a", "a"], ["twice"]),
        helper.make_node("Identity", ["b"], ["same"]),
    ]
    return graph(
        [("a", number, ["n", 1]), ("b", whole, ["n", 2])],
        [("twice", number, ["n", 1]), ("same", whole, ["n", 2])],
        nodes,
    )


class Sized:
    """A task that answers with the size of each image, and a graph that nobody runs."""

    takes: ClassVar[InputKind] = "image"
    accepts: frozenset[str] = frozenset()
    answers_in_list = False

    def answer(self, inputs: Sequence[Any], parameters: Parameters) -> list[Any]:
        return [len(one) for one in inputs]

    def run(self, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> list[Tensor]:
        raise AssertionError


@pytest.fixture
def more(ready: Bench) -> Bench:
    """The model ``adder``, and one with two inputs and outputs."""
    ready.edge.publish("two", "1", two_inputs(), TWO)
    return ready


def predict(ready: Bench, model: str, body: Any, **headers: str) -> Any:
    answer = call(ready, f"/v1/models/{model}:predict", body, **headers)
    assert answer.status == 200, answer
    assert answer.headers["content-type"] == "application/json"
    return answer.json["predictions"]


def refused(ready: Bench, model: str, body: Any) -> str:
    answer = call(ready, f"/v1/models/{model}:predict", body)
    assert answer.status == 400, answer
    assert list(answer.json) == ["error"]
    return str(answer.json["error"])


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [[1, 2], [3, 4.5]]},
        {"instances": [{"x": [1, 2]}, {"x": [3, 4.5]}]},
        {"instances": [{"x_0": 1, "x_1": 2}, {"x_0": 3, "x_1": 4.5}]},
        {"inputs": [[1, 2], [3, 4.5]]},
        {"inputs": {"x": [[1, 2], [3, 4.5]]}},
        {"inputs": {"x_1": [2, 4.5], "x_0": [1, 3]}},
        {"junk": [[9]], "instances": [[1, 2], [3, 4.5]], "signature_name": "serving_default"},
    ],
)
def test_rows_may_be_given_in_every_form(ready: Bench, body: Any) -> None:
    assert predict(ready, "adder", body) == [[2, 3], [4, 5.5]]


def test_several_outputs_are_one_object_for_each_row(more: Bench) -> None:
    rows = [{"a": 1.5, "b": [1, 2]}, {"a": 2, "b": [3, 2**60]}]
    expected = [{"twice": [3], "same": [1, 2]}, {"twice": [4], "same": [3, 2**60]}]
    assert predict(more, "two", {"instances": rows}) == expected
    assert predict(more, "two", {"instances": [[1.5, 1, 2]]}) == expected[:1]
    whole = {"a": [[1.5], [2]], "b": [[1, 2], [3, 2**60]]}
    answer = predict(more, "two", {"inputs": whole})
    assert answer == {"twice": [[3], [4]], "same": [[1, 2], [3, 2**60]]}


def test_texts_and_numbers_that_json_lacks_come_back_as_they_went(ready: Bench) -> None:
    ready.edge.publish("words", "1", identity("BYTES", ["n"]), signature("BYTES", [-1]))
    assert predict(ready, "words", {"instances": ["a", "é"]}) == ["a", "é"]
    answer = predict(ready, "adder", {"instances": [["NaN", 1], ["-Infinity", 2]]})
    assert answer == [["NaN", 2], ["-Infinity", 3]]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"instances": []}, "'instances' is [], a list of rows expected"),
        ({"instances": 3}, "'instances' is 3"),
        ({"rows": []}, "the body has none of them: one of 'instances', 'inputs' expected"),
        ({"instances": [[1, 2]], "inputs": []}, "the body has 'instances' and 'inputs'"),
        ({"instances": [[1, 2], [3]]}, "nested data does not follow shape [2, 2] on axis 1"),
        ({"instances": [[1, [2, 3]], [4]]}, "data is nested deeper than shape [2, 2]"),
        ({"instances": [[1, []], [2, [3, 4]]]}, "data is nested deeper than shape [2, 2]"),
        ({"instances": [[[1, 2], []]]}, "shape [1, 2, 2] given, [-1, 2] expected"),
        ({"instances": [["a", 2]]}, "element 0 is 'a', a number expected for FP32"),
        ({"instances": [{"x": [1, 2]}, {"y": [1, 2]}]}, "an object with x expected, as the first"),
        ({"instances": [{"x": [1, 2]}, 4]}, "instance 4: an object with x expected"),
        ({"inputs": {"x": [[1, 2]], "z": 1}}, "input 'z' is unknown: the model takes x"),
        ({"instances": [[1, 2]], "parameters": {"k": 1}}, "parameters k: model 'adder' takes none"),
        ({"inputs": {"x_0": [], "x_1": []}}, "lists of one length expected, one for each column"),
        ([1], "the body is JSON, but not an object"),
    ],
)
def test_what_does_not_fit_is_refused_in_the_protocol_s_shape(
    ready: Bench, body: Any, words: str
) -> None:
    assert words in refused(ready, "adder", body)


def test_several_inputs_are_not_told_from_nothing(more: Bench) -> None:
    for nothing in ([], [1], 4):
        assert "name them in objects" in refused(more, "two", {"inputs": nothing})


def test_lists_of_unequal_length_elsewhere_prove_nothing(ready: Bench) -> None:
    """The outline of another member must not stand for that of the rows."""
    assert "does not follow shape" in refused(
        ready, "adder", {"junk": [[1, 2], [3, 4]], "instances": [[1, 2], [3]]}
    )


def test_other_verbs_are_refused_with_the_path_that_there_is(ready: Bench) -> None:
    answer = call(ready, "/v1/models/adder:explain", {"instances": []})
    assert answer.status == 404
    assert "there is POST /v1/models/adder:predict" in answer.json["error"]


def test_a_version_may_be_asked_for_by_a_header(ready: Bench) -> None:
    ready.edge.records["adder", "2"] = replace(ready.edge.records["adder", "1"], version="2")
    ready.edge.artifacts["adder", "2"] = ready.edge.artifacts["adder", "1"]
    body = {"instances": [[1, 2]]}
    answer = call(ready, "/v1/models/adder:predict", body, serval_model_version="2")
    assert answer.headers["serval-model-version"] == "2"
    assert "infer;dur=" in answer.headers["server-timing"]


def test_a_task_predicts_from_what_it_takes_and_its_graph_from_tensors(tmp_path: Path) -> None:
    made = bench(tmp_path)
    made.edge.grant("srv_good")
    publish_sentiment(made.edge, "sentiment")
    asked = {"instances": ["good", "bad"], "parameters": {"top_k": 1}}
    labels = [[one["label"] for one in row] for row in predict(made, "sentiment", asked)]
    assert labels == [["POSITIVE"], ["NEGATIVE"]]
    whole = predict(made, "sentiment", {"inputs": "good"})
    assert whole[0]["label"] == "POSITIVE"
    tensors = predict(made, "sentiment", {"instances": [{"input_ids": [2, 2]}]})
    assert tensors == [[0.0, 2.0]]
    answer = call(
        made, "/v1/models/sentiment:predict", {"instances": ["a"], "parameters": {"x": 1}}
    )
    assert "top_k expected" in answer.json["error"]


@pytest.mark.parametrize("given", ["aGk=", {"b64": "aGk="}, "data:image/png;base64,aGk="])
def test_images_come_in_base64_as_from_other_servers_clients(given: Any) -> None:
    record = version_record("m", "1", b"", TWO)
    loaded = Loaded(record, Sized(), {}, {}, load_ms=0.0, task=Sized())
    body = json.dumps({"instances": [given]}).encode()
    asked = ask_given(loaded, read_given(body, FORMS))
    assert asked.write(asked.run()).body == b'{"predictions":[2]}'


def test_requests_are_counted_for_their_track(ready: Bench) -> None:
    predict(ready, "adder", {"instances": [[1, 2]]})
    ready.endpoint.metrics.flush()
    [line] = ready.printed
    assert json.loads(line)["Requests"] == 1
