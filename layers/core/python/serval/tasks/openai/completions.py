"""``POST /v1/completions``: text after a prompt, by a model of text-generation."""

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

from serval.errors import InvalidParameter
from serval.tasks.call import check_text_size
from serval.tasks.generation.prompts import encode_prompts
from serval.tasks.generation.text_generation import TextGeneration
from serval.tasks.openai.document import AnswerHead, read_parameters
from serval.tasks.openai.writing import KNOWN, Choice, read_top, write
from serval.tasks.parameters import Parameters
from serval.tasks.payload import MOST_INPUTS
from serval.tasks.task import Task

OWN = frozenset({"best_of", "echo", "logprobs", "max_tokens", "prompt"})
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
    if not isinstance(task, TextGeneration):
        raise head.refuse_task("completions", "text-generation")
    given = read_parameters(document, KNOWN | OWN)
    count = given.integer("n", 1)
    if given.integer("best_of", count) != count:
        raise InvalidParameter("best_of", given.get("best_of"), "nothing, or as many as 'n',")
    top = None if given.get("logprobs") is None else read_top(given, "logprobs")
    echo = given.flag("echo", default=False)
    if echo and top is not None:
        raise InvalidParameter("echo", True, "false where 'logprobs' is given")
    prompts = read_prompts(task, given)
    answered = write(task, prompts, given, length="max_tokens", top=top)
    texts = [task.tokenizer.decode(ids, skip_special=True) if echo else "" for ids in prompts]
    return {
        **head.begin("cmpl", "text_completion"),
        "choices": [
            {
                "index": index,
                "text": texts[index // count] + choice.text,
                "logprobs": None if top is None else _logprobs(task, choice),
                "finish_reason": choice.finish_reason,
            }
            for index, choice in enumerate(answered.choices)
        ],
        "usage": answered.usage,
    }


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


def _logprobs(task: TextGeneration, choice: Choice) -> dict[str, Any]:
    tokens = choice.tokens
    lengths = [len(one.text) for one in tokens]
    return {
        "tokens": [one.text for one in tokens],
        "token_logprobs": [one.token.logprob for one in tokens],
        # Of tokens that read alike the likeliest counts.
        "top_logprobs": [
            {task.word(token): log for token, log in reversed(one.token.top)} for one in tokens
        ],
        "text_offset": list(accumulate(lengths, initial=0))[:-1],
    }
