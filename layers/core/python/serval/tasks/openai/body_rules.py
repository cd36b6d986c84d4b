"""The rules for bodies of OpenAI's API that are the same for every model of a task."""

from collections.abc import Mapping
from typing import Any

from serval.tasks.generation.settings import SETTINGS, GenerationDefaults
from serval.tasks.openai.document import AnswerHead, read_parameters
from serval.tasks.parameter_rules import known_parameters
from serval.tasks.parameters import Parameters

MOST_CHOICES = 16
NEW_TOKENS = "max_new_tokens"
"""What bounds an answer in the words of the task."""
OWN_SETTINGS = SETTINGS - {"max_length", NEW_TOKENS, "stop_sequence", "stop_strings"}
WRITTEN = OWN_SETTINGS | {"n"}
"""Beside OpenAI's own names, those of model.yaml's ``task:`` count, such as ``top_k``."""
LENGTHS = ("max_completion_tokens", "max_tokens")
"""What bounds an answer, by the name that goes first."""
CHOSEN = OWN_SETTINGS | {NEW_TOKENS}
"""What a pipeline may set instead of its callers, who use this API or the task's."""
CHAT = WRITTEN | {"chat_template_kwargs", "logprobs", *LENGTHS, "messages", "top_logprobs"}
COMPLETION = WRITTEN | {"best_of", "echo", "logprobs", "max_tokens", "prompt"}
EMBEDDINGS = (known_parameters("feature-extraction") - {"normalize"}) | {"encoding_format", "input"}
FORMS = ("float", "base64")
"""How the numbers of embeddings are written."""


def check_body(operation: str, body: Mapping[str, Any], head: AnswerHead) -> None:
    """Refuse what every model would refuse; only a model can check texts and messages.

    Raises
    ------
    InvalidRequest
        If a parameter is wrong, or the version has another task.
    """
    if operation == "embeddings":
        if head.task != "feature-extraction":
            raise head.refuse_task("embeddings", "feature-extraction")
        read_parameters(body, EMBEDDINGS).choice("encoding_format", "float", FORMS)
        return
    is_chat = operation == "chat/completions"
    if head.task != "text-generation":
        raise head.refuse_task("chats" if is_chat else "completions", "text-generation")
    given = read_parameters(body, CHAT if is_chat else COMPLETION)
    given.integer("n", 1, least=1, most=MOST_CHOICES)
    for name in LENGTHS:
        given.integer(name, 1, least=1)
    said = {name: value for name, value in given.values.items() if name in SETTINGS}
    GenerationDefaults().settings(Parameters(said))
