"""``text-generation`` in events, one for each token, as text-generation-inference streams them."""

from collections.abc import Iterator, Sequence
from typing import Any

from serval.errors import InvalidInputs, InvalidParameter
from serval.tasks.generation.text_generation import TextGeneration, WrittenToken, refuse_others
from serval.tasks.generation.wording import last_event, token_event
from serval.tasks.parameters import Parameters
from serval.tasks.preparation import PreparesTexts
from serval.tasks.text.inputs import check_text


def stream_text(
    task: TextGeneration | PreparesTexts, inputs: Sequence[Any], parameters: Parameters
) -> Iterator[dict[str, Any]]:
    """Write after a text; yield ``{"index", "token", "generated_text", "details"}`` of each token.

    The last one has the whole text, the others ``null``.

    Raises
    ------
    InvalidRequest
        With the first event, if the text or a parameter is wrong.
    """
    refuse_others(parameters)
    if len(inputs) != 1:
        raise InvalidInputs(f"{len(inputs)} inputs given, one expected: a stream has one text")
    if parameters.integer("best_of", 1) != 1:
        raise InvalidParameter(
            "best_of", parameters.get("best_of"), "1, since a stream has one text,"
        )
    if isinstance(task, PreparesTexts):
        with task.prepare(inputs, parameters) as prepared:
            chosen = Parameters({**parameters.values, **prepared.parameters})
            yield from stream_text(prepared.writer, prepared.texts, chosen)
        return
    text = check_text(0, inputs[0])
    has_details = parameters.flag("details", default=False)
    settings = task.settings(parameters, logprobs=has_details)
    [prompt] = task.prompts([text], parameters)
    tokens: list[WrittenToken] = []
    for written in task.follow(prompt, settings):
        tokens.append(written)
        top = task.describe_top(written) if settings.top_tokens else None
        event = token_event(len(tokens), task.describe_token(written), top)
        finish = written.token.finish
        if finish is not None:
            whole = task.text_of(text, tokens, parameters)
            seed = settings.seed if settings.do_sample else None
            event = last_event(event, whole, finish, len(prompt), seed)
        yield event
