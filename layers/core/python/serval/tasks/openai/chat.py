"""``POST /v1/chat/completions``: a chat goes on, by a model of text-generation."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from serval.errors import InvalidParameter, UnsupportedFeature
from serval.tasks.call import check_text_size
from serval.tasks.generation.chat_template import ChatTemplate
from serval.tasks.generation.prompts import encode_prompts
from serval.tasks.generation.text_generation import TextGeneration
from serval.tasks.openai.body_rules import CHAT, LENGTHS
from serval.tasks.openai.chunks import CHUNKS, ChunkWriter
from serval.tasks.openai.document import AnswerHead, read_parameters, split_stream
from serval.tasks.openai.one_text import OneText
from serval.tasks.openai.telling import tell
from serval.tasks.openai.told import chat_logprobs
from serval.tasks.openai.writing import Texts, WantedTexts, read_top, read_wanted, write
from serval.tasks.parameters import Parameters
from serval.tasks.task import Task

ROLES = ("system", "developer", "user", "assistant")
OF_MESSAGE = ("role", "content", "name", "reasoning_content")
MOST_MESSAGES = 2048


def answer_chat(task: Task | None, document: Mapping[str, Any], head: AnswerHead) -> dict[str, Any]:
    """Answer a chat.

    Raises
    ------
    InvalidRequest
        If a parameter or a message is wrong, or the model holds no chats.
    """
    task, given, wanted = _read_chat(task, document, head)
    return _describe(given, head, write(task, wanted))


def open_chat(
    task: Task | None, document: Mapping[str, Any], head: AnswerHead, begun: Sequence[int]
) -> OneText:
    """Open a chat whose answer is written token by token; ``begun`` as in ``OneText``.

    Raises
    ------
    InvalidRequest
        As ``answer_chat`` does, or if several answers are wanted.
    """
    task, given, wanted = _read_chat(task, document, head)
    return OneText(task, wanted, begun, partial(_describe, given, head))


def _describe(given: Parameters, head: AnswerHead, answered: Texts) -> dict[str, Any]:
    with_logprobs = _top(given) is not None
    return {
        **head.begin("chatcmpl", "chat.completion"),
        "choices": [
            {
                "index": index,
                "message": {"role": "assistant", "content": choice.text, "refusal": None},
                "logprobs": chat_logprobs(choice.tokens) if with_logprobs else None,
                "finish_reason": choice.finish_reason,
            }
            for index, choice in enumerate(answered.choices)
        ],
        "usage": answered.usage,
    }


def stream_chat(
    task: Task | None, document: Mapping[str, Any], head: AnswerHead
) -> Iterator[dict[str, Any]]:
    """Answer a chat in chunks, as its tokens are written.

    Raises
    ------
    InvalidRequest
        As ``answer_chat`` does, with the first chunk.
    """
    document, with_usage = split_stream(document)
    task, given, wanted = _read_chat(task, document, head)
    chunks = ChunkWriter(
        head.begin(*CHUNKS["chat/completions"]),
        is_chat=True,
        with_usage=with_usage,
        with_logprobs=_top(given) is not None,
    )
    for told in tell(task, wanted):
        yield from chunks.write(told)
    yield from chunks.end(sum(map(len, wanted.prompts)))


def _read_chat(
    task: Task | None, document: Mapping[str, Any], head: AnswerHead
) -> tuple[TextGeneration, Parameters, WantedTexts]:
    if not isinstance(task, TextGeneration):
        raise head.refuse_task("chats", "text-generation")
    if task.chat is None:
        raise UnsupportedFeature(
            f"model {head.model!r} version {head.version} has no chat template: add "
            "chat_template.jinja to its bundle, or 'chat_template' to its tokenizer_config.json, "
            "and publish it again; POST /v1/completions takes a prompt as it is"
        )
    given = read_parameters(document, CHAT)
    prompt = make_prompt(task.chat, given)
    check_text_size([prompt])
    ids = encode_prompts(task.tokenizer, [prompt], None, None, special=False)
    end = task.tokenizer.tokenizer.token_to_id(task.chat.tokens.get("eos_token", ""))
    wanted = read_wanted(
        task,
        ids,
        given,
        length=LENGTHS[given.get(LENGTHS[0]) is None],
        top=_top(given),
        more_ends=[] if end is None else [end],
    )
    return task, given, wanted


def make_prompt(template: ChatTemplate, given: Parameters) -> str:
    """Return the prompt of a chat."""
    variables = given.get("chat_template_kwargs") or {}
    if not isinstance(variables, Mapping):
        raise InvalidParameter("chat_template_kwargs", variables, "an object")
    messages = read_messages(given.get("messages"), knows_developer=template.knows_developer)
    return template.render(messages, variables)


def read_messages(value: Any, *, knows_developer: bool) -> list[dict[str, str]]:
    """Return the messages as a template takes them: each content is one text.

    Parameters
    ----------
    knows_developer
        Whether the template has words for the role ``developer``, which is ``system`` otherwise.

    Raises
    ------
    InvalidParameter
        Naming the message and what is wrong with it.
    """
    if not isinstance(value, list) or not 0 < len(value) <= MOST_MESSAGES:
        raise InvalidParameter("messages", value, f"a list of 1 to {MOST_MESSAGES} messages")
    messages = [_read_message(f"messages[{at}]", one) for at, one in enumerate(value)]
    if not knows_developer:
        for message in messages:
            message["role"] = {"developer": "system"}.get(message["role"], message["role"])
    return messages


def _read_message(where: str, value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise InvalidParameter(where, value, "an object with 'role' and 'content'")
    # Clients send an answer back with all its members, most of them empty.
    message = {name: one for name, one in value.items() if one is not None and one != []}
    role = message.get("role")
    if role not in ROLES:
        raise InvalidParameter(f"{where}.role", role, f"one of: {', '.join(ROLES)}")
    for name in message:
        if name not in OF_MESSAGE:
            raise InvalidParameter(f"{where}.{name}", message[name], "nothing")
    message["content"] = _read_content(f"{where}.content", message.get("content"))
    for name in OF_MESSAGE:
        if not isinstance(message.get(name, ""), str):
            raise InvalidParameter(f"{where}.{name}", message[name], "a string")
    return message


def _read_content(where: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise InvalidParameter(where, value, "a text, or a list of parts of the type 'text'")
    return "\n".join(_read_part(f"{where}[{at}]", part) for at, part in enumerate(value))


def _read_part(where: str, part: Any) -> str:
    match part:
        case {"type": "text", "text": str(text)}:
            return text
    raise InvalidParameter(where, part, '{"type": "text", "text": …} (the model reads text alone)')


def _top(given: Parameters) -> int | None:
    """Return how many likely tokens the caller wants for each token; None for none."""
    if given.flag("logprobs", default=False):
        return read_top(given, "top_logprobs")
    if given.get("top_logprobs"):
        raise InvalidParameter(
            "top_logprobs", given.get("top_logprobs"), "nothing, unless 'logprobs' is true,"
        )
    return None
