"""Completions in the words of OpenAI's API."""

from typing import Any

import pytest

from serval.errors import ContextTooLong, InvalidInputs, InvalidParameter, UnsupportedFeature
from serval.tasks.openai.completions import answer_completion
from serval.tasks.openai.document import AnswerHead
from serval.tasks.parameters import Parameters
from tests.tasks.harness import open_case

HEAD = AnswerHead("abc", 1_700_000_000, "gpt2", "7", "text-generation")
TEXT = "The morning train"


def complete(prompt: Any, **asked: Any) -> dict[str, Any]:
    document = {"model": "gpt2", "prompt": prompt, "max_tokens": 5, **asked}
    return answer_completion(open_case("gpt2"), document, HEAD)


def texts(answer: dict[str, Any]) -> list[str]:
    return [choice["text"] for choice in answer["choices"]]


def continued(text: str) -> str:
    [answer] = open_case("gpt2").answer([text], Parameters({"max_new_tokens": 5}))
    return str(answer["generated_text"])


def test_a_prompt_goes_on_as_the_task_writes_it() -> None:
    answer = complete(TEXT)
    assert answer == {
        "id": "cmpl-abc",
        "object": "text_completion",
        "created": 1_700_000_000,
        "model": "gpt2",
        "system_fingerprint": "version-7",
        "choices": [
            {"index": 0, "text": continued(TEXT), "logprobs": None, "finish_reason": "length"}
        ],
        "usage": {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14},
    }


def test_each_prompt_has_its_choices_in_order() -> None:
    answer = complete([TEXT, "Dogs"], n=2, echo=True)
    assert texts(answer) == [TEXT + continued(TEXT)] * 2 + ["Dogs" + continued("Dogs")] * 2
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2, 3]


def test_prompts_may_be_token_ids_of_the_model() -> None:
    tokenizer = open_case("gpt2").tokenizer.tokenizer  # type: ignore[attr-defined]
    ids = [tokenizer.encode(text).ids for text in (TEXT, "Dogs")]
    assert texts(complete(ids)) == [continued(TEXT), continued("Dogs")]
    assert texts(complete(ids[0])) == [continued(TEXT)]


def test_tokens_come_with_their_probabilities_and_places() -> None:
    answer = complete("Dogs", logprobs=2)
    found = answer["choices"][0]["logprobs"]
    assert "".join(found["tokens"]) == texts(answer)[0]
    assert [max(top.values()) for top in found["top_logprobs"]] == found["token_logprobs"]
    for text, start in zip(found["tokens"], found["text_offset"], strict=True):
        assert texts(answer)[0][start:].startswith(text)


@pytest.mark.parametrize(
    ("prompt", "asked", "said"),
    [
        (5, {}, "'prompt': 5 given, a text, or a list of 1 to 1024 texts"),
        ([], {}, "'prompt'.*a list"),
        ([5, 99999], {}, "'prompt'"),
        (["a", 5], {}, "'prompt'"),
        (TEXT, {"best_of": 2}, "'best_of'.*as many as 'n'"),
        (TEXT, {"echo": True, "logprobs": 1}, "'echo'.*false, since 'logprobs' is given,"),
        (TEXT, {"suffix": "after"}, "'suffix'"),
        (TEXT, {"messages": []}, "'messages'.*prompt"),
        (TEXT, {"temprature": 1}, "'temprature': 1 given, 'temperature' or another of: bad_w"),
        (None, {}, "'prompt' is missing: a text, or a list of 1 to 1024 texts"),
        (TEXT, {"stream": True}, "'stream'.*leave it out"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(prompt: Any, asked: Any, said: str) -> None:
    with pytest.raises(InvalidParameter, match=said):
        complete(prompt, **asked)


def test_one_prompt_without_room_is_refused() -> None:
    with pytest.raises(ContextTooLong, match="the prompt takes 44 tokens and 'max_tokens' asks"):
        complete([[5], [5] * 44])
    with pytest.raises(ContextTooLong, match="the prompt takes 1 token and 'max_tokens' asks"):
        complete([5], max_tokens=99)


def test_a_long_text_is_refused_before_it_is_split() -> None:
    with pytest.raises(InvalidInputs, match="at most 500000 allowed"):
        complete("x" * 500_001)


def test_a_model_of_another_task_says_how_it_answers() -> None:
    head = AnswerHead("abc", 0, "short", "1", "summarization")
    with pytest.raises(UnsupportedFeature, match="completions need 'text-generation': POST /mod"):
        answer_completion(open_case("t5-summarization"), {}, head)
