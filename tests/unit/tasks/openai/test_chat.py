"""Chats in the words of OpenAI's API."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from serval.errors import ContextTooLong, InvalidInputs, InvalidParameter, UnsupportedFeature
from serval.tasks.generation.text_generation import TextGeneration
from serval.tasks.openai.chat import answer_chat
from serval.tasks.openai.document import AnswerHead
from serval.tasks.parameters import Parameters
from serval.tasks.task import Task
from tests.tasks.harness import RECORDED, open_case, open_folder
from tests.tasks.long_texts import make_room

HEAD = AnswerHead("abc", 1_700_000_000, "gpt2", "7", "text-generation")
TEMPLATE = "{% for m in messages %}{{ m.role[0] }}: {{ m.content }}\n{% endfor %}a:"
HELLO = {"role": "user", "content": "Hi"}
PROMPT = "u: Hi\na:"


def chatting(folder: Path) -> TextGeneration:
    """Open the recorded model with a template."""
    shutil.copytree(RECORDED / "gpt2" / "bundle", folder)
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    task = open_folder(folder)
    assert isinstance(task, TextGeneration)
    return task


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    return chatting(tmp_path_factory.mktemp("chat") / "bundle")


def chat(task: Task, *messages: Any, **asked: Any) -> dict[str, Any]:
    said = list(messages) or [HELLO]
    return answer_chat(task, {"model": "gpt2", "messages": said, "max_tokens": 6, **asked}, HEAD)


def contents(answer: dict[str, Any]) -> list[str]:
    return [choice["message"]["content"] for choice in answer["choices"]]


def continued(text: str, **asked: Any) -> str:
    """Return what the task writes after a text, in its own words."""
    [answer] = open_case("gpt2").answer([text], Parameters({"max_new_tokens": 6, **asked}))
    return str(answer["generated_text"])


def test_a_chat_is_answered_with_what_the_model_writes_after_its_prompt(task: Task) -> None:
    answer = chat(task)
    assert answer == {
        "id": "chatcmpl-abc",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "gpt2",
        "system_fingerprint": "version-7",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": continued(PROMPT), "refusal": None},
                "logprobs": None,
                "finish_reason": "length",
            }
        ],
        "usage": {"prompt_tokens": 8, "completion_tokens": 6, "total_tokens": 14},
    }


def test_max_completion_tokens_goes_before_max_tokens(task: Task) -> None:
    answer = chat(task, max_completion_tokens=2)
    assert answer["usage"]["completion_tokens"] == 2


def test_parts_of_text_are_lines_and_a_developer_is_the_system(task: Task) -> None:
    parts = [{"type": "text", "text": "Hi"}, {"type": "text", "text": "you"}]
    spoken = chat(task, {"role": "developer", "content": "x"}, {"role": "user", "content": parts})
    assert contents(spoken) == [continued("s: x\nu: Hi\nyou\na:")]


def test_an_answer_may_be_sent_back_as_it_came(task: Task) -> None:
    message = chat(task)["choices"][0]["message"] | {"content": "ho", "tool_calls": None}
    spoken = chat(task, HELLO, message | {"annotations": []}, HELLO)
    assert contents(spoken) == [continued("u: Hi\na: ho\nu: Hi\na:")]


def test_a_stop_string_ends_an_answer_and_is_no_part_of_it(task: Task) -> None:
    whole = contents(chat(task))[0]
    stop = whole[-1]
    answer = chat(task, stop=stop)
    assert contents(answer) == [whole[: whole.index(stop)]]
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert contents(chat(task, stop=["never", stop])) == contents(answer)


def test_texts_by_chance_differ_and_a_seed_repeats_them(task: Task) -> None:
    asked = {"n": 3, "temperature": 1.5, "seed": 3}
    answer = chat(task, **asked)
    assert len(set(contents(answer))) == 3
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]
    assert answer["usage"]["completion_tokens"] == 18
    assert contents(chat(task, **asked)) == contents(answer)
    assert contents(chat(task, **asked | {"seed": 4})) != contents(answer)


@pytest.mark.parametrize("seed", [-1, -3, -(2**63)])
def test_a_seed_below_zero_is_one_of_its_own(task: Task, seed: int) -> None:
    asked = {"n": 3, "temperature": 1.5, "seed": seed}
    texts = contents(chat(task, **asked))
    assert len(set(texts)) == 3
    assert contents(chat(task, **asked)) == texts
    assert contents(chat(task, **asked | {"seed": -seed})) != texts


def test_texts_without_chance_are_the_same(task: Task) -> None:
    answer = chat(task, n=2, temperature=0)
    assert contents(answer) == [continued(PROMPT)] * 2
    assert answer["usage"] == {"prompt_tokens": 8, "completion_tokens": 12, "total_tokens": 20}


def test_chance_reaches_every_token_unless_top_k_says_otherwise(task: Task) -> None:
    """The model's files say nothing of ``top_k``; transformers' own default would be 50."""
    asked = {"temperature": 1e4, "max_tokens": 30, "logprobs": True, "seed": 1}
    free = chat(task, **asked)["choices"][0]["logprobs"]["content"]
    held = chat(task, **asked, top_k=5)["choices"][0]["logprobs"]["content"]
    assert min(one["logprob"] for one in held) > -2 > max(one["logprob"] for one in free)


def test_tokens_come_with_their_probabilities_and_the_likeliest_others(task: Task) -> None:
    answer = chat(task, logprobs=True, top_logprobs=2)
    found = answer["choices"][0]["logprobs"]["content"]
    assert "".join(one["token"] for one in found) == contents(answer)[0]
    for one in found:
        assert bytes(one["bytes"]).decode() == one["token"]
        assert one["top_logprobs"][0]["logprob"] == one["logprob"]
        assert len(one["top_logprobs"]) == 2
    assert chat(task, logprobs=True)["choices"][0]["logprobs"]["content"][0]["top_logprobs"] == []


def test_the_end_token_of_the_tokenizer_ends_an_answer_too(tmp_path: Path) -> None:
    [answer] = open_case("gpt2").answer(
        [PROMPT], Parameters({"max_new_tokens": 6, "details": True})
    )
    third = answer["details"]["tokens"][2]["id"]
    task = chatting(tmp_path / "bundle")
    config = json.loads((tmp_path / "bundle" / "tokenizer_config.json").read_text())
    config["eos_token"] = task.tokenizer.tokenizer.id_to_token(third)
    (tmp_path / "bundle" / "tokenizer_config.json").write_text(json.dumps(config))
    answer = chat(open_folder(tmp_path / "bundle"))
    assert answer["usage"]["completion_tokens"] == 3
    assert answer["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"stream": True}, r"'stream': true given, false \(an answer comes whole: leave it out\)"),
        ({"tools": [{"type": "function"}]}, "'tools'.*describe them in a message"),
        ({"tool_choice": "required"}, "'tool_choice'"),
        (
            {"response_format": {"type": "json_object"}},
            "'response_format'.*ask for it in a message",
        ),
        ({"logit_bias": {"5": 1}}, "'logit_bias'.*bad_words_ids"),
        ({"temprature": 1}, "'temprature'.*temperature"),
        ({"max_new_tokens": 5}, "'max_new_tokens'.*max_tokens"),
        ({"temperature": "hot"}, "'temperature'.*a number from 0"),
        ({"max_tokens": 0}, "'max_tokens'.*an integer from 1"),
        ({"n": 17}, "'n'.*1 to 16"),
        ({"top_logprobs": 3}, "'top_logprobs'.*unless 'logprobs' is true"),
        ({"logprobs": True, "top_logprobs": 21}, "'top_logprobs'.*0 to 20"),
        ({"stop": [""]}, "'stop'.*1 to 256 characters"),
        ({"chat_template_kwargs": 5}, "'chat_template_kwargs'.*an object"),
        ({"messages": []}, "'messages'.*a list of 1 to 2048"),
        ({"messages": ["Hi"]}, r"'messages\[0\]'.*an object with 'role' and 'content'"),
        ({"messages": [{"role": "tool", "content": ""}]}, r"'messages\[0\].role'.*one of: system"),
        ({"messages": [HELLO | {"mood": 1}]}, r"'messages\[0\].mood'"),
        ({"messages": [HELLO | {"name": 1}]}, r"'messages\[0\].name'.*a string"),
        ({"messages": [HELLO, {"role": "user"}]}, r"'messages\[1\].content'.*a text"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            r"'messages\[0\].content\[0\]'.*the model reads text alone",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(task: Task, asked: Any, said: str) -> None:
    with pytest.raises(InvalidParameter, match=said) as refused:
        chat(task, **asked)
    assert refused.value.name in said.replace("\\", "")


def test_forms_that_ask_for_nothing_are_taken(task: Task) -> None:
    nothing = {
        "audio": None,
        "function_call": "none",
        "logit_bias": {},
        "metadata": {"run": "5"},
        "modalities": ["text"],
        "parallel_tool_calls": True,
        "response_format": {"type": "text"},
        "service_tier": "auto",
        "stop": None,
        "store": False,
        "stream": False,
        "tool_choice": "auto",
        "tools": [],
        "user": "5",
    }
    assert chat(task, **nothing) == chat(task)


def test_variables_of_the_template_may_be_sent(task: Task) -> None:
    assert contents(chat(task, chat_template_kwargs={"mood": 1})) == contents(chat(task))


@pytest.mark.parametrize(
    ("text", "asked", "said"),
    [
        ("Hi", {"max_tokens": 41}, "8 tokens and 'max_tokens' asks for 41; shorten it, or ask for"),
        ("Hi " * 20, {"max_tokens": None}, "48 positions .* tokens; shorten it$"),
    ],
)
def test_a_chat_without_room_in_the_model_is_refused(
    task: Task, text: str, asked: Any, said: str
) -> None:
    with pytest.raises(ContextTooLong, match=said):
        chat(task, {"role": "user", "content": text}, **asked)


def test_without_a_length_an_answer_is_cut_to_the_room_there_is(task: Task) -> None:
    answer = chat(task, max_tokens=None, min_new_tokens=40)
    assert answer["usage"]["total_tokens"] == 48


def test_without_a_length_an_answer_has_100_tokens_if_there_is_room(tmp_path: Path) -> None:
    shutil.copytree(RECORDED / "llama" / "bundle", tmp_path / "bundle")
    make_room(tmp_path / "bundle")
    (tmp_path / "bundle" / "chat_template.jinja").write_text(TEMPLATE)
    answer = chat(open_folder(tmp_path / "bundle"), max_tokens=None, min_new_tokens=200)
    assert answer["usage"]["completion_tokens"] == 100
    assert answer["choices"][0]["finish_reason"] == "length"


def test_more_text_than_memory_holds_tokens_of_is_refused(task: Task) -> None:
    with pytest.raises(InvalidInputs, match=r"at most 500000 allowed|over 500000 characters"):
        chat(task, {"role": "user", "content": "x" * 499_995})


def test_text_that_is_none_is_refused(task: Task) -> None:
    with pytest.raises(InvalidInputs, match="a text cannot be read"):
        chat(task, {"role": "user", "content": "\ud800"})


def test_a_model_without_a_template_says_what_to_add() -> None:
    with pytest.raises(UnsupportedFeature, match=r"no chat template: add chat_template\.jinja"):
        chat(open_case("gpt2"))


def test_a_model_of_another_task_says_how_it_answers() -> None:
    head = AnswerHead("abc", 0, "reviews", "1", "text-classification")
    with pytest.raises(UnsupportedFeature, match="chats need 'text-generation': POST /models/rev"):
        answer_chat(open_case("text-classification"), {}, head)
    with pytest.raises(UnsupportedFeature, match=r"has no task.*POST /v2/models/iris/infer"):
        answer_chat(None, {}, AnswerHead("abc", 0, "iris", "1", None))
    with pytest.raises(UnsupportedFeature, match=r"has no task.*POST /models/mine is how"):
        answer_chat(None, {}, AnswerHead("abc", 0, "mine", "1", None, own_words=True))
