"""Chunks of OpenAI's API: together they are the whole answer, and none is taken back."""

import shutil
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tokenizers import Tokenizer, models

from serval.errors import InvalidParameter, UnsupportedFeature
from serval.tasks.generation.loop import GeneratedToken
from serval.tasks.generation.stops import find_stop
from serval.tasks.generation.text_generation import WrittenToken
from serval.tasks.generation.wording import Pieces, Wording
from serval.tasks.openai.chat import answer_chat, stream_chat
from serval.tasks.openai.completions import answer_completion, stream_completion
from serval.tasks.openai.document import AnswerHead
from serval.tasks.openai.telling import Telling
from serval.tasks.parameters import Parameters
from serval.tasks.task import Task
from tests.tasks.harness import RECORDED, open_case, open_folder

HEAD = AnswerHead("abc", 1_700_000_000, "gpt2", "7", "text-generation")
TEMPLATE = "{% for m in messages %}{{ m.role[0] }}: {{ m.content }}\n{% endfor %}a:"
CHAT = {"model": "gpt2", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9}
PROMPT = {"model": "gpt2", "prompt": "The morning train", "max_tokens": 9}
Document = dict[str, Any]


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    folder = tmp_path_factory.mktemp("chat") / "bundle"
    shutil.copytree(RECORDED / "gpt2" / "bundle", folder)
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return open_folder(folder)


def join(chunks: list[Document], text: Any) -> list[tuple[str, str, Any]]:
    """Put the chunks of each choice together: its text, why it ends, and its log-probabilities."""
    found: dict[int, tuple[str, str, list[Any]]] = {}
    for chunk in chunks:
        for choice in chunk["choices"]:
            told, ended, logs = found.get(choice["index"], ("", "", []))
            assert not ended, "a chunk came after the end"
            found[choice["index"]] = (
                told + text(choice),
                choice["finish_reason"] or "",
                logs + ([choice["logprobs"]] if choice["logprobs"] else []),
            )
    return [found[index] for index in sorted(found)]


def chat_streamed(task: Task, **asked: Any) -> list[tuple[str, str, Any]]:
    chunks = list(stream_chat(task, CHAT | {"stream": True} | asked, HEAD))
    return [
        (text, ended, [one for each in logs for one in each["content"]])
        for text, ended, logs in join(chunks, lambda one: one["delta"].get("content", ""))
    ]


def chat_whole(task: Task, **asked: Any) -> list[tuple[str, str, Any]]:
    return [
        (
            one["message"]["content"],
            one["finish_reason"],
            (one["logprobs"] or {}).get("content", []),
        )
        for one in answer_chat(task, CHAT | asked, HEAD)["choices"]
    ]


def test_a_chats_chunks_are_those_of_the_api(task: Task) -> None:
    first, *middle, last = stream_chat(task, CHAT | {"stream": True, "max_tokens": 2}, HEAD)
    head = {
        "id": "chatcmpl-abc",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "gpt2",
        "system_fingerprint": "version-7",
    }
    begins = {"index": 0, "logprobs": None, "finish_reason": None}
    assert first == head | {"choices": [begins | {"delta": {"role": "assistant", "content": ""}}]}
    assert {tuple(chunk["choices"][0]["delta"]) for chunk in middle} == {("content",)}
    assert last == head | {"choices": [begins | {"delta": {}, "finish_reason": "length"}]}


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"logprobs": True, "top_logprobs": 2},
        {"n": 3, "temperature": 1.3, "seed": 4, "logprobs": True},
        {"n": 2},
    ],
)
def test_a_chat_in_chunks_is_the_whole_answer(task: Task, asked: Document) -> None:
    assert chat_streamed(task, **asked) == chat_whole(task, **asked)


def test_nothing_of_a_stop_string_is_told(task: Task) -> None:
    [(whole, _, _)] = chat_whole(task)
    for begin in range(1, len(whole) - 3):
        stop = [whole[begin : begin + 3], whole[begin + 1 :] + "never"]
        asked: Document = {"stop": stop, "logprobs": True}
        assert chat_streamed(task, **asked) == chat_whole(task, **asked)


@pytest.mark.parametrize("asked", [{"echo": True, "n": 2}, {"logprobs": 2, "prompt": "Dogs"}])
def test_completions_in_chunks_are_the_whole_answer(task: Task, asked: Document) -> None:
    document = PROMPT | {"prompt": ["The morning train", "Dogs"], **asked}
    chunks = list(stream_completion(task, document | {"stream": True}, HEAD))
    whole = answer_completion(task, document, HEAD)
    streamed = [
        (
            text,
            ended,
            {name: [each for one in logs for each in one[name]] for name in logs[0]}
            if logs
            else None,
        )
        for text, ended, logs in join(chunks, lambda one: one["text"])
    ]
    assert streamed == [
        (one["text"], one["finish_reason"], one["logprobs"]) for one in whole["choices"]
    ]


def test_usage_comes_last_where_it_is_wanted(task: Task) -> None:
    wanted = {"stream": True, "stream_options": {"include_usage": True}, "n": 2}
    *chunks, last = stream_chat(task, CHAT | wanted, HEAD)
    assert all(chunk["usage"] is None for chunk in chunks)
    assert last["choices"] == []
    assert last["usage"] == answer_chat(task, CHAT | {"n": 2}, HEAD)["usage"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"stream_options": {"include_all": True}}, "'stream_options'.*include_usage"),
        ({"stream_options": 5}, "'stream_options'.*with include_obfuscation or include_usage"),
        ({"stream_options": []}, "'stream_options'.*an object"),
        ({"stream_options": {"include_usage": 1}}, "'include_usage'.*true or false"),
        ({"tools": [{}]}, "'tools'.*calls no tools"),
    ],
)
def test_what_cannot_be_streamed_is_refused_with_the_first_chunk(
    task: Task, asked: Document, said: str
) -> None:
    with pytest.raises(InvalidParameter, match=said):
        next(stream_chat(task, CHAT | {"stream": True} | asked, HEAD))
    with pytest.raises(UnsupportedFeature, match="no chat template"):
        next(stream_chat(open_case("gpt2"), CHAT | {"stream": True}, HEAD))


@pytest.mark.parametrize("stop", [(), ("c a",), ("a , b . c ' d n't",)])
def test_cleaned_spaces_are_told_as_the_whole_text_has_them(stop: tuple[str, ...]) -> None:
    vocabulary = ["a", "b", ",", ".", "'", "n't", "'s", "?", "c"]
    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(vocabulary)}, "c"))
    wording = Wording(tokenizer, clean=True, special=frozenset())
    task = SimpleNamespace(wording=wording)
    randoms = Random(5)
    for _ in range(50):
        ids = [randoms.randrange(len(vocabulary)) for _ in range(30)]
        telling = Telling(cast(Any, task), stop, 0)
        pieces = Pieces(tokenizer)
        told = ""
        for at, one in enumerate(ids):
            finish = "length" if at == len(ids) - 1 else None
            token = GeneratedToken(0, one, finish=finish)
            told += telling.add(WrittenToken(token, pieces.add(one))).text
        whole = wording.text(ids, Parameters())
        assert told == whole[: find_stop(whole, stop)]
