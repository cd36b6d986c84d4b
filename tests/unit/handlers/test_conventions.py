"""Both conventions of handlers, as files that exist are written, and bodies of every kind."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from PIL import Image

from serval.errors import MalformedBody
from serval.handlers.contents import guess_type
from serval.handlers.conventions import find_handler, handler_at
from serval.handlers.declaration import HandlerDeclaration
from serval.handlers.model import HandlerModel, end_handler, keep_files
from serval.handlers.process import HandlerProcess
from serval.handlers.signature import HANDLER_SIGNATURE
from serval.inference.runtimes import RuntimeFailed
from serval.models.tensor import Tensor

JSON, CSV, NPY = "application/json", "text/csv", "application/x-npy"
Start = Callable[..., HandlerProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started = []

    def start_one(path: str, code: str) -> HandlerProcess:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(dedent(code))
        declared = HandlerDeclaration("shelf", tmp_path, handler_at(path))
        started.append(HandlerProcess(declared, lambda line: None))
        return started[-1]

    yield start_one
    for process in started:
        process.close()


DESCRIBING = """
    class EndpointHandler:
        def __call__(self, data):
            inputs = data["inputs"]
            return [type(inputs).__name__, getattr(inputs, "size", None) or len(inputs)]

        def __init__(self, path=""):
            pass
"""
SUMS = """
    import json, os
    import numpy as np

    def model_fn(model_dir):
        with open(os.path.join(model_dir, "weights.json")) as file:
            return json.load(file)

    def input_fn(request_body, request_content_type):
        assert isinstance(request_body, str) and request_content_type == "application/json"
        return np.array(json.loads(request_body)["rows"])

    def predict_fn(input_data, model):
        return input_data @ np.array(model)

    def output_fn(prediction, accept):
        return json.dumps({"sums": prediction.tolist()}), accept
"""


def png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (3, 2)).save(file, "PNG")
    return file.getvalue()


def npy(array: object) -> bytes:
    file = io.BytesIO()
    np.save(file, np.asarray(array))
    return file.getvalue()


@pytest.mark.parametrize(
    ("body", "content_type", "seen"),
    [
        (b'{"inputs": "abc"}', JSON, ["str", 3]),
        (png(), "image/png", ["PngImageFile", [3, 2]]),
        (b"RIFF....", "audio/wav", ["bytes", 8]),
        ("é".encode(), "text/plain; charset=utf-8", ["str", 1]),
        (b"\x00\x01", "application/octet-stream", ["bytes", 2]),
    ],
)
def test_hugging_faces_handlers_get_bodies_by_their_type(
    start: Start, body: bytes, content_type: str, seen: list[object]
) -> None:
    answer = start("handler.py", DESCRIBING).call(body, content_type, "")
    assert json.loads(answer.body) == seen


def test_a_body_that_is_no_image_is_the_callers_mistake(start: Start) -> None:
    with pytest.raises(MalformedBody, match="the body is not an image"):
        start("handler.py", DESCRIBING).call(b"no", "image/png", "")


def test_an_image_goes_out_as_png(start: Start) -> None:
    code = """
        class EndpointHandler:
            def __init__(self, path=""):
                pass

            def __call__(self, data):
                return data["inputs"].rotate(90, expand=True)
    """
    answer = start("handler.py", code).call(png(), "image/png", "image/png")
    assert answer.content_type == "image/png"
    assert Image.open(io.BytesIO(answer.body)).size == (2, 3)


def test_sagemakers_functions_are_called_in_turn(start: Start, tmp_path: Path) -> None:
    (tmp_path / "weights.json").write_text("[1, 10]")
    answer = start("code/inference.py", SUMS).call(b'{"rows": [[1, 2], [3, 4]]}', JSON, "*/*")
    assert json.loads(answer.body) == {"sums": [21, 43]}
    assert answer.content_type == JSON


DOUBLING = """
    class Model:
        def predict(self, data):
            return data * 2

    def model_fn(model_dir, context):
        return Model()
"""


@pytest.mark.parametrize("accept", [JSON, CSV, NPY, "*/*", ""])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b"[[1, 2.5]]", JSON), (b"1,2.5\n", CSV), (npy([[1, 2.5]]), NPY)],
)
def test_without_functions_bodies_are_arrays_in_and_out(
    start: Start, body: bytes, content_type: str, accept: str
) -> None:
    answer = start("code/inference.py", DOUBLING).call(body, content_type, accept)
    read = {CSV: np.loadtxt, NPY: np.load}
    assert answer.content_type == (accept if accept in read else JSON)
    if accept == CSV:
        found = np.loadtxt(io.BytesIO(answer.body), delimiter=",")
    elif accept == NPY:
        found = np.load(io.BytesIO(answer.body))
    else:
        found = np.array(json.loads(answer.body))
    assert found.ravel().tolist() == [2, 5]


@pytest.mark.parametrize(
    ("body", "content_type", "said"),
    [
        (b"[1, [2]]", JSON, "the body is no array"),
        (b"junk", NPY, "the body is not application/x-npy"),
        (b"\xff\xd8\xff", "image/jpeg", "content type 'image/jpeg': one of application/json"),
    ],
)
def test_a_body_that_is_no_array_is_the_callers_mistake(
    start: Start, body: bytes, content_type: str, said: str
) -> None:
    with pytest.raises(MalformedBody, match=said):
        start("code/inference.py", DOUBLING).call(body, content_type, "")


def test_pickles_in_npy_are_refused(start: Start) -> None:
    file = io.BytesIO()
    np.save(file, np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(MalformedBody, match="the body is not application/x-npy"):
        start("code/inference.py", DOUBLING).call(file.getvalue(), NPY, "")


def test_transform_fn_does_the_work_of_three(start: Start) -> None:
    code = """
        def model_fn(model_dir):
            return 3

        def transform_fn(model, request_body, content_type, accept):
            return str(model * len(request_body)).encode(), "text/plain"
    """
    answer = start("code/inference.py", code).call(b"abc", "text/plain", "")
    assert (answer.body, answer.content_type) == (b"9", "text/plain")


def test_an_output_fn_that_returns_neither_text_nor_bytes_fails(start: Start) -> None:
    code = "def predict_fn(data, model): return 1\ndef output_fn(prediction, accept): return 1.5\n"
    with pytest.raises(RuntimeFailed, match="output_fn returned float: text or bytes expected"):
        start("code/inference.py", code).call(b"[1]", JSON, "")


def test_handlers_are_found_by_their_file() -> None:
    assert find_handler(["model.yaml", "inference.py"]) is None
    sagemaker = find_handler(["code/inference.py", "code/requirements.txt"])
    assert sagemaker is not None
    assert (sagemaker.convention, sagemaker.requirements) == ("sagemaker", "code/requirements.txt")
    both = find_handler(["code/inference.py", "handler.py"])
    assert both is not None
    assert (both.convention, both.lock) == ("hugging-face", "requirements.lock")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"a": 1}', JSON),
        (b"plainly", "application/octet-stream"),
        (png(), "image/png"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "audio/wav"),
        (b"RIFF\x00\x00\x00\x00AVI LIST", "application/octet-stream"),
        (npy([1]), NPY),
    ],
)
def test_the_type_of_a_body_without_one_is_guessed(body: bytes, kind: str) -> None:
    assert guess_type(body) == kind


def test_as_a_model_a_handler_answers_each_element_of_its_input(tmp_path: Path) -> None:
    folder = tmp_path / "shelf" / "1"
    folder.mkdir(parents=True)
    (folder / "handler.py").write_text(dedent(DESCRIBING))
    kept = keep_files(folder)
    assert not folder.exists()
    declared = HandlerDeclaration("shelf", kept, handler_at("handler.py"))
    model = HandlerModel(HandlerProcess(declared, lambda line: None), kept)
    bodies = np.array([b'{"inputs": "ab"}', png()], object)
    answers, types = model.run([Tensor("body", "BYTES", bodies)], HANDLER_SIGNATURE.outputs)
    assert [json.loads(answer) for answer in answers.array] == [
        ["str", 2],
        ["PngImageFile", [3, 2]],
    ]
    assert types.array.tolist() == [b"application/json"] * 2
    end_handler(model.process, kept)
    assert not kept.exists()
