"""Embeddings in the words of OpenAI's API."""

import base64
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from serval.errors import InvalidInputs, InvalidParameter, UnsupportedFeature
from serval.tasks.openai.document import AnswerHead
from serval.tasks.openai.embeddings import answer_embeddings
from serval.tasks.parameters import Parameters
from tests.tasks.harness import open_case

HEAD = AnswerHead("abc", 0, "embed", "7", "feature-extraction")
CASE = "feature-extraction-mean"
TEXTS = ["a dog", "cats live in the garden"]


def embed(value: Any, **asked: Any) -> dict[str, Any]:
    return answer_embeddings(open_case(CASE), {"model": "m", "input": value, **asked}, HEAD)


def vectors(answer: dict[str, Any]) -> list[list[float]]:
    return [one["embedding"] for one in answer["data"]]


def test_each_text_gets_the_embedding_of_the_task_at_length_1() -> None:
    answer = embed(TEXTS)
    assert vectors(answer) == open_case(CASE).answer(TEXTS, Parameters({"normalize": True}))
    assert np.linalg.norm(vectors(answer), axis=1) == pytest.approx([1, 1])
    assert [one["index"] for one in answer["data"]] == [0, 1]
    assert {one["object"] for one in answer["data"]} == {"embedding"}
    assert (answer["object"], answer["model"]) == ("list", "embed")
    assert vectors(embed(TEXTS[0])) == vectors(answer)[:1]


def test_tokens_are_counted_special_ones_included() -> None:
    tokenizer = open_case(CASE).embedder.tokenizer.tokenizer  # type: ignore[attr-defined]
    count = sum(len(tokenizer.encode(text)) for text in TEXTS)
    assert embed(TEXTS)["usage"] == {"prompt_tokens": count, "total_tokens": count}


def test_tokens_are_counted_as_the_texts_are_cut() -> None:
    task = open_case(CASE)
    embedder = task.embedder  # type: ignore[attr-defined]
    tokenizer = replace(embedder.tokenizer, truncate=False, max_length=4)
    strict = replace(task, embedder=replace(embedder, tokenizer=tokenizer))  # type: ignore[type-var]
    document = {"model": "m", "input": TEXTS, "truncate": True}
    assert answer_embeddings(strict, document, HEAD)["usage"]["prompt_tokens"] == 8
    with pytest.raises(InvalidInputs, match="at most 4"):
        answer_embeddings(strict, {**document, "truncate": False}, HEAD)


def test_base64_is_little_endian_float32_and_dimensions_are_the_first() -> None:
    [text] = vectors(embed(TEXTS[0], encoding_format="base64", dimensions=4))
    assert isinstance(text, str)
    found = np.frombuffer(base64.b64decode(text), "<f4")
    assert found.tolist() == pytest.approx(vectors(embed(TEXTS[0], dimensions=4))[0])
    assert np.linalg.norm(found) == pytest.approx(1)
    whole = np.array(vectors(embed(TEXTS[0]))[0])[:4]
    assert found.tolist() == pytest.approx((whole / np.linalg.norm(whole)).tolist())


@pytest.mark.parametrize(
    ("value", "asked", "said"),
    [
        ([1, 2, 3], {}, "'input'.*let the client send texts"),
        ([[1, 2]], {}, "'input'.*let the client send texts"),
        ([], {}, "'input'"),
        ("", {}, "'input'"),
        ("a", {"dimensions": 99}, "'dimensions'.*1 to 8"),
        ("a", {"encoding_format": "int8"}, "'encoding_format'.*float, base64"),
        ("a", {"normalize": False}, "'normalize'"),
        ("a", {"user": "me", "prompt_name": "absent"}, "'prompt_name'.*one of"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(value: Any, asked: Any, said: str) -> None:
    with pytest.raises(InvalidParameter, match=said):
        embed(value, **asked)


def test_a_model_of_tokens_says_how_it_gets_embeddings_of_texts() -> None:
    with pytest.raises(UnsupportedFeature, match="set 'pooling: mean' under 'task:'"):
        answer_embeddings(open_case("feature-extraction"), {"input": "a"}, HEAD)


def test_a_model_of_another_task_says_how_it_answers() -> None:
    head = AnswerHead("abc", 0, "gpt2", "1", "text-generation")
    with pytest.raises(UnsupportedFeature, match="embeddings need 'feature-extraction'"):
        answer_embeddings(open_case("gpt2"), {}, head)
