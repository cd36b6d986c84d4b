"""Calls of OpenAI's API whose texts are prepared before a model writes after them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from serval.errors import InvalidParameter, UnsupportedFeature
from serval.tasks.call import check_text_size
from serval.tasks.generation.settings import SETTINGS
from serval.tasks.generation.text_generation import TextGeneration
from serval.tasks.openai.body_rules import LENGTHS, NEW_TOKENS, check_body
from serval.tasks.openai.chat import read_messages
from serval.tasks.openai.document import AnswerHead, asks_for_stream, split_stream
from serval.tasks.parameters import Parameters
from serval.tasks.payload import MOST_INPUTS
from serval.tasks.preparation import PreparesTexts

PROMPTS = f"a text, or a list of 1 to {MOST_INPUTS} texts (a pipeline takes no token ids),"
CHAT = "chat/completions"


@contextmanager
def prepare_call(
    task: PreparesTexts, operation: str, body: Mapping[str, Any], head: AnswerHead
) -> Iterator[tuple[TextGeneration, Mapping[str, Any]]]:
    """Prepare the texts of a call; yield the model that writes, and the body for it.

    Raises
    ------
    InvalidRequest
        If the body asks for what no model answers, or a text or a message is wrong.
    """
    check_body(operation, split_stream(body)[0] if asks_for_stream(body) else body, head)
    said = Parameters(_in_words_of_task(body))
    if operation != CHAT:
        prompts = _read_prompts(body.get("prompt"))
        with task.prepare(prompts, said) as prepared:
            own = _in_words_of_openai(prepared.parameters, LENGTHS[1])
            yield prepared.writer, {**body, **own, "prompt": prepared.texts}
        return
    messages = read_messages(body.get("messages"), knows_developer=True)
    check_text_size([each["content"] for each in messages])
    last = _find_last(messages)
    with task.prepare([messages[last]["content"]], said, messages) as prepared:
        if prepared.writer.chat is None:
            raise UnsupportedFeature(
                f"pipeline {head.model!r} has no chats, since the model that writes for it has no "
                "chat template; POST /v1/completions takes a prompt as it is"
            )
        [text] = prepared.texts
        messages[last] = {**messages[last], "content": text}
        own = _in_words_of_openai(prepared.parameters, LENGTHS[0])
        yield prepared.writer, {**body, **own, "messages": messages}


def _read_prompts(value: Any) -> list[str]:
    prompts = [value] if isinstance(value, str) else value
    if not isinstance(prompts, list) or not 0 < len(prompts) <= MOST_INPUTS:
        raise InvalidParameter("prompt", value, PROMPTS)
    if not all(isinstance(one, str) for one in prompts):
        raise InvalidParameter("prompt", value, PROMPTS)
    check_text_size(prompts)
    return prompts


def _find_last(messages: list[dict[str, str]]) -> int:
    """Find the message that the user wrote last."""
    for at in reversed(range(len(messages))):
        if messages[at]["role"] == "user":
            return at
    raise InvalidParameter("messages", messages, "a message of the role 'user'")


def _in_words_of_task(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of generation that a body has."""
    said = {name: value for name, value in body.items() if name in SETTINGS and value is not None}
    length = next((body[name] for name in LENGTHS if body.get(name) is not None), None)
    return said if length is None else {**said, NEW_TOKENS: length}


def _in_words_of_openai(parameters: Mapping[str, Any], length: str) -> dict[str, Any]:
    """Return parameters of the task as a body has them; ``length`` bounds an answer there."""
    return {length if name == NEW_TOKENS else name: value for name, value in parameters.items()}
