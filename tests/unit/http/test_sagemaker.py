"""SageMaker's runtime: bodies by their type and content, answers by what is accepted, errors."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from botocore.eventstream import EventStreamBuffer
from onnx import TensorProto, helper

from serval.errors import InferenceFailed
from serval.http.call import HttpCall
from serval.http.refusals import refuse_by_path
from serval.http.status import status_of
from tests.fakes.inference import (
    TWO_COLUMNS,
    Bench,
    bench,
    document,
    event,
    graph,
    identity,
    signature,
)
from tests.fakes.protocol_calls import Answer, call
from tests.fakes.task_models import publish_sentiment

ROWS = [[1, 2], [3, 4.5]]
ANSWER = [[2, 3], [4, 5.5]]
JSON, CSV, NPY = "application/json", "text/csv", "application/x-npy"
TRITON = "application/vnd.sagemaker-triton.binary+json"


def invoke(ready: Bench, body: Any, content_type: str = JSON, **headers: str) -> Answer:
    return call(ready, "/endpoints/adder/invocations", body, content_type=content_type, **headers)


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (ROWS, JSON, ANSWER),
        ({"instances": ROWS}, JSON, {"predictions": ANSWER}),
        ({"inputs": {"x": ROWS}}, JSON, {"predictions": ANSWER}),
        ({"dataframe_records": [{"x_0": 1, "x_1": 2}]}, JSON, {"predictions": ANSWER[:1]}),
        (b"1,2\n3,4.5\n", CSV, ANSWER),
        (b"x_1,x_0\n2,1\n4.5,3", CSV, ANSWER),
        (b"7,8\n1,2", "text/csv; header=absent", [[8, 9], [2, 3]]),
        (b"0,1\n1,2", "text/csv;header=present;charset=utf-8", ANSWER[:1]),
        (b"0,1\n1,2", 'Text/CSV; Header="present"', ANSWER[:1]),
        (npy(np.array(ROWS)), NPY, ANSWER),
        (npy(np.array(ROWS, order="F").astype(">f4")), NPY, ANSWER),
        (npy(np.array([[1, 2]], np.uint8)), NPY, ANSWER[:1]),
    ],
)
def test_a_body_is_what_its_type_and_content_say(
    ready: Bench, body: Any, content_type: str, expected: Any
) -> None:
    answer = invoke(ready, body, content_type)
    assert (answer.status, answer.json) == (200, expected)


def test_an_inference_request_is_answered_as_by_v2(ready: Bench) -> None:
    answer = invoke(ready, json.loads(document()))
    assert answer.json["outputs"][0]["data"] == [2, 3]


def test_binary_tensors_have_the_length_of_their_head_in_the_type(ready: Bench) -> None:
    item = {"name": "x", "shape": [1, 2], "datatype": "FP32", "parameters": {"binary_data_size": 8}}
    head = json.dumps({"inputs": [item], "parameters": {"binary_data_output": True}}).encode()
    body = head + np.array([1, 2], np.float32).tobytes()
    answer = invoke(ready, body, f"{TRITON};json-header-size={len(head)}")
    kind, _, size = answer.headers["content-type"].partition(";json-header-size=")
    assert kind == TRITON
    assert np.frombuffer(answer.body[int(size) :], np.float32).tolist() == [2, 3]
    assert "inference-header-content-length" not in answer.headers


@pytest.mark.parametrize("kind", [{}, {"content_type": JSON}])
def test_binary_tensors_that_json_asks_for_are_of_triton_s_type(
    ready: Bench, kind: dict[str, str]
) -> None:
    body = json.loads(document(parameters={"binary_data_output": True}))
    answer = call(ready, "/endpoints/adder/invocations", body, **kind)
    assert answer.headers["content-type"].startswith(f"{TRITON};json-header-size=")


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/json, text/csv;q=0", JSON),
        ("text/csv;q=0.5, application/json", JSON),
        ("application/json;q=0.1, text/csv", CSV),
        ("image/png, Text/CSV, */*;q=0.1", CSV),
        ("text/csv;q=much", CSV),
        ("text/csv, application/json", CSV),
        ("application/json, text/csv", JSON),
        ("*/*", JSON),
        ("image/png", JSON),
    ],
)
def test_of_several_types_the_most_wanted_is_written(ready: Bench, accept: str, kind: str) -> None:
    assert invoke(ready, ROWS, accept=accept).headers["content-type"] == kind


def test_an_array_of_booleans_is_one_of_bool(ready: Bench) -> None:
    ready.edge.publish("adder", "1", identity("BOOL", ["n", 2]), signature("BOOL", [-1, 2]))
    assert invoke(ready, npy(np.array([[True, False]])), NPY).json == [[True, False]]
    refused = invoke(ready, npy(np.array([[1, 0]])), NPY)
    assert "numbers given, BOOL expected" in refused.json["Message"]


def test_an_answer_is_written_as_it_is_accepted(ready: Bench) -> None:
    answer = invoke(ready, b"1,2\n3,4.5\n", CSV, accept="text/csv")
    assert (answer.headers["content-type"], answer.body) == (CSV, b"2.0,3.0\n4.0,5.5\n")
    answer = invoke(ready, ROWS, accept=NPY)
    assert np.load(io.BytesIO(answer.body)).tolist() == ANSWER


def test_outputs_share_the_lines_of_csv_and_no_array(ready: Bench) -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["said"], to=TensorProto.STRING),
        helper.make_node("Identity", ["x"], ["y"]),
    ]
    kind, shape = TensorProto.FLOAT, ["n", 2]
    made = graph(
        [("x", kind, shape)], [("said", TensorProto.STRING, shape), ("y", kind, shape)], nodes
    )
    sign = type(TWO_COLUMNS)(
        TWO_COLUMNS.inputs,
        (type(TWO_COLUMNS.inputs[0])("said", "BYTES", (-1, 2)), *TWO_COLUMNS.outputs),
    )
    ready.edge.publish("adder", "1", made, sign)
    assert invoke(ready, b"1,2\n", CSV, accept=CSV).body == b"1,2,1.0,2.0\n"
    answer = invoke(ready, ROWS, accept=NPY)
    assert "the model gives said (BYTES), y (FP32)" in answer.json["Message"]


def test_the_variant_is_a_version_and_attributes_come_back(ready: Bench) -> None:
    headers = {
        "x_amzn_sagemaker_target_variant": "1",
        "x_amzn_sagemaker_custom_attributes": "trace=1",
    }
    answer = invoke(ready, ROWS, **headers)
    assert answer.headers["x-amzn-invoked-production-variant"] == "1"
    assert answer.headers["x-amzn-sagemaker-custom-attributes"] == "trace=1"
    absent = invoke(ready, ROWS, x_amzn_sagemaker_target_variant="AllTraffic")
    assert (absent.status, absent.headers["x-amzn-errortype"]) == (404, "ValidationError")


def test_a_number_that_marks_the_ends_of_lines_may_be_among_them(ready: Bench) -> None:
    assert invoke(ready, b"7e22,2\n3,7e22\n", CSV).json == [[7e22, 3.0], [4.0, 7e22]]


@pytest.mark.parametrize(
    ("body", "content_type", "words"),
    [
        (b"{", JSON, "not valid JSON"),
        ({"rows": []}, JSON, "one of 'dataframe_split'"),
        (b"1,2\n3\n", CSV, "line 2 of the CSV: 1 fields given, 2 expected"),
        (b"1,2\n3,4,7e22,5,6\n", CSV, "line 2 of the CSV: 5 fields given, 2 expected"),
        (b"1,2\n[3,4\n5],6\n", CSV, "'[3', a number expected"),
        (b"1,2\n3,1e308\n", CSV, "1e+308 does not fit FP32"),
        (b"", CSV, "the body is empty"),
        (b'"1,2\n', CSV, "the CSV is damaged"),
        (b"\x93NUMPY\x01", NPY, "the body is no array of numbers"),
        (npy(np.array(ROWS))[:-1], NPY, "and 31 are there"),
        (npy(np.array([object()])), NPY, "the body is no array of numbers"),
        (npy(np.array([[1, 1e300]])), NPY, "1e+300 does not fit FP32"),
    ],
)
def test_a_caller_s_mistake_is_a_validation_error(
    ready: Bench, body: Any, content_type: str, words: str
) -> None:
    answer = invoke(ready, body, content_type)
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (400, "ValidationError")
    assert words in answer.json["Message"]


def test_a_failing_model_is_a_model_error() -> None:
    path = {"rawPath": "/endpoints/adder/invocations"}
    failure = InferenceFailed("adder", "1", "it broke")
    reply = refuse_by_path(failure, status_of(failure), HttpCall.from_event(event("", None) | path))
    assert (reply["statusCode"], reply["headers"]["x-amzn-errortype"]) == (424, "ModelError")
    body = json.loads(reply["body"])
    assert body["OriginalStatusCode"] == 500
    assert "it broke" in body["OriginalMessage"] == body["Message"]


def test_other_operations_say_which_there_are(ready: Bench) -> None:
    for path in ("/endpoints/adder/explanations", "/endpoints/adder"):
        answer = call(ready, path, {})
        assert answer.status == 400
        assert "invocations-response-stream and async-invocations" in answer.json["Message"]


def test_an_event_stream_has_the_answer_in_a_part(ready: Bench) -> None:
    path = "/endpoints/adder/invocations-response-stream"
    accepted = {"x_amzn_sagemaker_accept": CSV}  # as SDKs name it for a stream
    answer = call(ready, path, b"1,2\n3,4.5\n", content_type=CSV, accept="*/*", **accepted)
    assert answer.headers["content-type"] == "application/vnd.amazon.eventstream"
    assert answer.headers["x-amzn-sagemaker-content-type"] == CSV
    assert answer.headers["x-amzn-invoked-production-variant"] == "1"
    buffer = EventStreamBuffer()
    buffer.add_data(answer.body)
    [message] = buffer
    assert message.headers[":event-type"] == "PayloadPart"
    assert message.payload == b"2.0,3.0\n4.0,5.5\n"
    refused = call(ready, path, b"1\n", content_type=CSV)
    assert (refused.status, refused.headers["x-amzn-errortype"]) == (400, "ValidationError")


def test_what_an_endpoint_of_ours_has_not_is_refused(ready: Bench) -> None:
    answer = invoke(ready, ROWS, x_amzn_sagemaker_target_model="a.tar.gz")
    assert "x-amzn-sagemaker-target-model is not supported" in answer.json["Message"]


def test_a_task_answers_in_its_own_words(tmp_path: Path) -> None:
    made = bench(tmp_path)
    made.edge.grant("srv_good")
    publish_sentiment(made.edge, "adder")
    words = {"inputs": "good", "parameters": {"top_k": 1}}
    assert invoke(made, words).json[0][0]["label"] == "POSITIVE"
    assert invoke(made, b"bad", "text/plain").json[0][0]["label"] == "NEGATIVE"
    tensor = {"name": "text", "datatype": "BYTES", "shape": [1], "data": ["bad"]}
    [output] = invoke(made, {"inputs": [tensor]}).json["outputs"]
    assert json.loads(output["data"][0])[0]["label"] == "NEGATIVE"
    ids = {"name": "input_ids", "datatype": "INT64", "shape": [1, 2], "data": [2, 2]}
    assert invoke(made, {"inputs": [ids]}).json["outputs"][0]["data"] == [0, 2]
    refused = invoke(made, {"inputs": [ids | {"name": "x"}]})
    assert "input 'x' is unknown: the model takes input_ids" in refused.json["Message"]
    rows = invoke(made, {"instances": ["good"]}).json["predictions"]
    assert rows[0][0]["label"] == "POSITIVE"


def test_long_names_of_columns_are_not_sent_back_whole(ready: Bench) -> None:
    split = {"columns": ["a" * 5000, "b" * 5000], "data": [[1, 2]]}
    for body in ({"dataframe_split": split}, {"instances": [{"c" * 5000: 1}, 3]}):
        answer = invoke(ready, body)
        assert answer.status == 400
        assert len(answer.body) < 2000
