"""``POST /v1/completions``: text after a prompt, by a model of text-generation."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from serval.errors import InvalidParameter
from serval.tasks.call import check_text_size
from serval.tasks.generation.prompts import encode_prompts
from serval.tasks.generation.text_generation import TextGeneration
from serval.tasks.openai.body_rules import COMPLETION
from serval.tasks.openai.chunks import CHUNKS, ChunkWriter
from serval.tasks.openai.document import AnswerHead, read_parameters, split_stream
from serval.tasks.openai.one_text import OneText
from serval.tasks.openai.telling import tell
from serval.tasks.openai.told import completion_logprobs
from serval.tasks.openai.writing import Texts, WantedTexts, read_top, read_wanted, write
from serval.tasks.parameters import Parameters
from serval.tasks.payload import MOST_INPUTS
from serval.tasks.task import Task

EXPECTED = f"a text, or a list of 1 to {MOST_INPUTS} texts, or of lists of token ids,"


def answer_completion(
    task: Task | None, document: Mapping[str, Any], head: AnswerHead
) -> dict[str, Any]:
    """Answer a completion; ``n`` choices for each prompt, in the order of the prompts.

    Raises
    ------
    InvalidRequest
        If a parameter or a prompt is wrong, or the model writes no text after a prompt.
    """
    task, given, wanted = _read_completion(task, document, head)
    return _describe(task, wanted, given, head, write(task, wanted))


def open_completion(
    task: Task | None, document: Mapping[str, Any], head: AnswerHead, begun: Sequence[int]
) -> OneText:
    """Open a completion that is written token by token; ``begun`` as in ``OneText``.

    Raises
    ------
    InvalidRequest
        As ``answer_completion`` does, or if several texts or the prompt are wanted back.
    """
    task, given, wanted = _read_completion(task, document, head)
    if given.flag("echo", default=False):
        raise InvalidParameter("echo", True, "false (of a stream)")
    return OneText(task, wanted, begun, partial(_describe, task, wanted, given, head))


def _describe(
    task: TextGeneration,
    wanted: WantedTexts,
    given: Parameters,
    head: AnswerHead,
    answered: Texts,
) -> dict[str, Any]:
    with_logprobs = _top(given) is not None
    return {
        **head.begin("cmpl", "text_completion"),
        "choices": [
            {
                "index": index,
                "text": _echo(task, wanted, given, index) + choice.text,
                "logprobs": completion_logprobs(choice.tokens) if with_logprobs else None,
                "finish_reason": choice.finish_reason,
            }
            for index, choice in enumerate(answered.choices)
        ],
        "usage": answered.usage,
    }


def stream_completion(
    task: Task | None, document: Mapping[str, Any], head: AnswerHead
) -> Iterator[dict[str, Any]]:
    """Answer a completion in chunks, as its tokens are written; one choice follows the other.

    Raises
    ------
    InvalidRequest
        As ``answer_completion`` does, with the first chunk.
    """
    document, with_usage = split_stream(document)
    task, given, wanted = _read_completion(task, document, head)
    chunks = ChunkWriter(
        head.begin(*CHUNKS["completions"]),
        is_chat=False,
        with_usage=with_usage,
        with_logprobs=_top(given) is not None,
        echo=partial(_echo, task, wanted, given),
    )
    for told in tell(task, wanted):
        yield from chunks.write(told)
    yield from chunks.end(sum(map(len, wanted.prompts)))


def _read_completion(
    task: Task | None, document: Mapping[str, Any], head: AnswerHead
) -> tuple[TextGeneration, Parameters, WantedTexts]:
    if not isinstance(task, TextGeneration):
        raise head.refuse_task("completions", "text-generation")
    given = read_parameters(document, COMPLETION)
    count = given.integer("n", 1)
    if given.integer("best_of", count) != count:
        raise InvalidParameter("best_of", given.get("best_of"), "nothing, or as many as 'n',")
    top = _top(given)
    if given.flag("echo", default=False) and top is not None:
        raise InvalidParameter("echo", True, "false, since 'logprobs' is given,")
    prompts = read_prompts(task, given)
    return task, given, read_wanted(task, prompts, given, length="max_tokens", top=top)


def _top(given: Parameters) -> int | None:
    """Return how many likely tokens the caller wants for each token; None for none."""
    return None if given.get("logprobs") is None else read_top(given, "logprobs")


def _echo(task: TextGeneration, wanted: WantedTexts, given: Parameters, index: int) -> str:
    """Return the prompt of a choice, if the caller wants it back."""
    if not given.flag("echo", default=False):
        return ""
    return task.tokenizer.decode(wanted.prompts[index // wanted.count], skip_special=True)


def read_prompts(task: TextGeneration, given: Parameters) -> list[list[int]]:
    """Return the prompts as token ids of the model.

    Raises
    ------
    InvalidParameter
        If it is something else than texts or token ids.
    """
    value = given.get("prompt")
    prompts = [value] if isinstance(value, str) or _is_ids(task, value) else value
    if not isinstance(prompts, list) or not 0 < len(prompts) <= MOST_INPUTS:
        raise InvalidParameter("prompt", value, EXPECTED)
    if all(_is_ids(task, one) for one in prompts):
        return [list(one) for one in prompts]
    if not all(isinstance(one, str) for one in prompts):
        raise InvalidParameter("prompt", value, EXPECTED)
    check_text_size(prompts)
    return encode_prompts(task.tokenizer, prompts, task.defaults.token("bos_token_id"), None)


def _is_ids(task: TextGeneration, value: Any) -> bool:
    size = task.tokenizer.tokenizer.get_vocab_size()
    is_list = isinstance(value, list) and bool(value)
    return is_list and all(type(one) is int and 0 <= one < size for one in value)
