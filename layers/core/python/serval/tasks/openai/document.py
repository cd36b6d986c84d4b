"""The documents of OpenAI's API: what a body may say, and what every answer begins with.

Specification: https://platform.openai.com/docs/api-reference.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from serval.errors import InvalidParameter, MalformedBody, UnsupportedFeature
from serval.foreign import read_document
from serval.short_repr import short_repr
from serval.tasks.parameters import Parameters

WITHOUT_EFFECT = frozenset(
    {
        "metadata",
        "parallel_tool_calls",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "user",
    }
)
"""What callers may send and no answer depends on."""
NO_TOOLS = "the model calls no tools: describe them in a message, and read the answer"
REFUSED: Mapping[str, tuple[tuple[Any, ...], str]] = {
    "audio": ((), "nothing (answers are text)"),
    "function_call": (("none", "auto"), f"nothing ({NO_TOOLS})"),
    "functions": (([],), f"nothing ({NO_TOOLS})"),
    "logit_bias": (({},), "nothing ('bad_words_ids' keeps tokens out)"),
    "modalities": ((["text"],), '["text"] (answers are text)'),
    "prediction": ((), "nothing"),
    "reasoning_effort": (
        (),
        "nothing ('chat_template_kwargs' has what the model's template knows)",
    ),
    "response_format": (
        ({"type": "text"},),
        '{"type": "text"} (answers cannot be held to a format: ask for it in a message)',
    ),
    "stream": ((False,), "false (an answer comes whole: leave it out)"),
    "stream_options": ((), "nothing, unless 'stream' is true,"),
    "suffix": (("",), "nothing (text is written only after a prompt)"),
    "tool_choice": (("none", "auto"), f"nothing ({NO_TOOLS})"),
    "tools": (([],), f"nothing ({NO_TOOLS})"),
    "verbosity": ((), "nothing"),
    "web_search_options": ((), "nothing"),
}
"""What no model here can do: name → the values that ask for nothing, and what to send instead."""
WITHOUT_USE = WITHOUT_EFFECT | REFUSED.keys()
STREAM, STREAM_OPTIONS = "stream", "stream_options"
OF_STREAMS = frozenset({"include_obfuscation", "include_usage"})
"""What ``stream_options`` may have; nothing here is padded to hide how long a token is."""


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """The fields with which every answer begins."""

    id: str
    created: int
    """Seconds since 1970."""
    model: str
    version: str
    task: str | None
    """The version's task by name."""
    own_words: bool = False
    """Whether it is custom Python, which answers in words of its own."""

    def begin(self, prefix: str, kind: str) -> dict[str, Any]:
        """Begin an answer."""
        return {
            "id": f"{prefix}-{self.id}",
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": f"version-{self.version}",
        }

    def refuse_task(self, what: str, needed: str) -> UnsupportedFeature:
        """Build the error for a model whose task is another one."""
        has = f"the task {self.task!r}" if self.task else "no task"
        speaks = self.task or self.own_words
        way = f"POST /models/{self.model}" if speaks else f"POST /v2/models/{self.model}/infer"
        return UnsupportedFeature(
            f"model {self.model!r} has {has}, and {what} need {needed!r}: {way} is how it answers"
        )


def read_body(body: bytes, limit_bytes: int) -> Mapping[str, Any]:
    """Parse a body.

    Raises
    ------
    MalformedBody, PayloadTooLarge
        If it is no JSON object, or too much of it.
    """
    found = read_document(body, "the body", limit_bytes)
    if not isinstance(found, dict):
        raise MalformedBody(f"the body is {short_repr(found)}, an object with 'model' expected")
    return found


def read_parameters(document: Mapping[str, Any], known: Collection[str]) -> Parameters:
    """Return what a body says; a ``null`` is as good as nothing.

    Raises
    ------
    InvalidParameter
        If a name is unknown, or asks for what no model here can do.
    """
    given = {name: value for name, value in document.items() if value is not None}
    for name, value in given.items():
        if name == STREAM and not isinstance(value, bool):
            raise InvalidParameter(name, value, "true or false")
        allowed, instead = REFUSED.get(name, ((value,), ""))
        if value not in allowed:
            raise InvalidParameter(name, value, instead)
    found = Parameters({name: value for name, value in given.items() if name not in WITHOUT_USE})
    found.expect({*known, "model"})
    return found


def asks_for_stream(document: Mapping[str, Any]) -> bool:
    """Return whether a body asks for a stream."""
    return document.get(STREAM) is True


def asks_for_texts(document: Mapping[str, Any]) -> bool:
    """Return whether a body asks for more than one text after one prompt."""
    prompt = document.get("prompt")
    several = isinstance(prompt, list) and len(prompt) > 1 and not isinstance(prompt[0], int)
    counts = [document.get(name) for name in ("n", "best_of")]
    return several or document.get("echo") is True or any(one not in (None, 1) for one in counts)


def asks_beyond_text(document: Mapping[str, Any]) -> bool:
    """Return whether an answer may have more than a text: calls of tools, or probabilities.

    A completion's ``logprobs`` of 0 asks for the probabilities of its own tokens.
    """
    wanted = [document.get(name) for name in ("tools", "functions", "audio")]
    logprobs = document.get("logprobs")
    return any(wanted) or not (logprobs is None or logprobs is False)


def split_stream(document: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return a body without its keys about streams, and whether a stream ends with the usage.

    Raises
    ------
    InvalidParameter
        If ``stream_options`` has something else.
    """
    rest = {name: value for name, value in document.items() if name not in (STREAM, STREAM_OPTIONS)}
    options = document.get(STREAM_OPTIONS)
    options = {} if options is None else options
    if not isinstance(options, Mapping) or not options.keys() <= OF_STREAMS:
        known = " or ".join(sorted(OF_STREAMS))
        raise InvalidParameter(STREAM_OPTIONS, options, f"an object with {known}")
    return rest, Parameters(options).flag("include_usage", default=False)
