"""An answer that is there as a whole, in the chunks of a stream."""

from collections.abc import Iterator, Mapping
from typing import Any

OF_HEAD = ("id", "created", "model", "system_fingerprint")


def chunk_answer(answer: Mapping[str, Any], *, with_usage: bool) -> Iterator[dict[str, Any]]:
    """Write the chunks of a chat's or a completion's answer.

    Parameters
    ----------
    with_usage
        Whether a last chunk without a choice has the usage; all others have a ``null`` then.
    """
    choices = answer.get("choices") or []
    is_chat = any("message" in choice for choice in choices)
    head = {name: answer[name] for name in OF_HEAD if name in answer}
    head["object"] = "chat.completion.chunk" if is_chat else "text_completion"
    usage = {"usage": None} if with_usage else {}
    for choice in choices:
        for own in _chat_pieces(choice) if is_chat else [choice]:
            yield {**head, "choices": [own], **usage}
    if with_usage:
        yield {**head, "choices": [], "usage": answer.get("usage")}


def _chat_pieces(choice: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Write what a choice says, and then how it ended."""
    index, message = choice.get("index", 0), choice["message"]
    delta = {name: value for name, value in message.items() if value is not None}
    if calls := delta.get("tool_calls"):
        delta["tool_calls"] = [{"index": at, **one} for at, one in enumerate(calls)]
    logprobs = choice.get("logprobs")
    yield {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": None}
    yield {"index": index, "delta": {}, "finish_reason": choice.get("finish_reason")}
