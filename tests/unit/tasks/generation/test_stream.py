"""A stream is the answer, token by token, also where another process goes on with it."""

import json
from typing import Any

import pytest

from serval.errors import InvalidParameter, InvalidRequest, UnsupportedFeature
from serval.models.tensor import Tensor
from serval.protocol.binary_tensors import bytes_array
from serval.tasks.generation.stream import TextStream, open_stream
from serval.tasks.tensors import run_task
from tests.tasks.harness import open_case

TEXT = "The morning train"
LIKED = {"do_sample": True, "temperature": 0.9, "repetition_penalty": 1.2, "top_n_tokens": 2}


def tensors(text: str = TEXT, **parameters: Any) -> list[Tensor]:
    given = [Tensor("text", "BYTES", bytes_array([text.encode()], [1]))]
    body = json.dumps(parameters).encode()
    return [*given, Tensor("parameters", "BYTES", bytes_array([body], [1]))]


def stream(case: str = "gpt2", begun: list[int] | None = None, **parameters: Any) -> TextStream:
    return open_stream(open_case(case), tensors(**parameters), 7, begun or [])


def read(opened: TextStream) -> tuple[list[int], Any]:
    """Give the tokens, and the answer."""
    tokens = [written.token.id for written in opened]
    return tokens, json.loads(opened.outputs()[0].array[0])


@pytest.mark.parametrize("case", ["gpt2", "gpt2-no-cache", "llama"])
@pytest.mark.parametrize("asked", [{}, LIKED | {"seed": 3, "details": True}])
def test_a_stream_ends_as_the_answer(case: str, asked: dict[str, Any]) -> None:
    asked = {"max_new_tokens": 6, **asked}
    [whole] = run_task(open_case(case), tensors(**asked))
    assert read(stream(case, **asked))[1] == json.loads(whole.array[0])


@pytest.mark.parametrize("asked", [{}, LIKED])
@pytest.mark.parametrize("begun", range(7))
def test_a_stream_goes_on_from_any_token(begun: int, asked: dict[str, Any]) -> None:
    asked = {"max_new_tokens": 6, **asked}
    tokens, answer = read(stream(**asked))
    assert read(stream(begun=tokens[:begun], **asked)) == (tokens, answer)


def test_a_stream_is_held_to_what_its_reader_has() -> None:
    own, _ = read(stream(max_new_tokens=4))
    others = [own[0] + 1, own[1] + 1]
    tokens, answer = read(stream(begun=others, max_new_tokens=4))
    assert tokens[:2] == others
    word = open_case("gpt2").word(others[0])  # type: ignore[attr-defined]
    assert answer["generated_text"].startswith(word)


@pytest.mark.parametrize(
    "asked", [{"num_beams": 2}, {"best_of": 2, "do_sample": True}, {"decoder_input_details": True}]
)
def test_what_is_known_at_the_end_alone_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter, match="of a stream"):
        stream(**asked)


def test_a_task_that_writes_no_text_is_refused() -> None:
    with pytest.raises(UnsupportedFeature, match="token by token"):
        stream("fill-mask-bpe")


def test_a_parameter_that_nobody_knows_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="tall"):
        stream(tall=True)
