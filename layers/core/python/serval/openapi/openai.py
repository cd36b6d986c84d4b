"""The operations of OpenAI's API: chats, completions, embeddings."""

from collections.abc import Iterable
from typing import Any

from serval.openapi.infer import AFFINITY, REDIRECTED, STATUSES, VERSION_HEADER, answers
from serval.openapi.operations import ERRORS, JSON, MODEL, Operation, content
from serval.openapi.schemas import COUNT, TEXT, Schema, list_of, object_of, open_object_of

EXAMPLES: dict[str, dict[str, Any]] = {
    "chat/completions": {
        "model": "assistant",
        "messages": [{"role": "user", "content": "Hello"}],
        "max_tokens": 20,
    },
    "completions": {"model": "assistant", "prompt": "Once upon a time", "max_tokens": 20},
    "embeddings": {"model": "sentences", "input": ["a dog", "a cat"]},
}
SUMMARIES = {
    "chat/completions": ("chatCompletions", "Answer a chat, by a model of text-generation"),
    "completions": ("completions", "Continue a prompt, by a model of text-generation"),
    "embeddings": ("embeddings", "Embed texts, by a model of feature-extraction"),
}
DESCRIPTION = (
    "Bodies and answers are those of OpenAI's API; what no model here can do is refused by name. "
)
IN_BODY = "`model` in the body names the model."
IN_PATH = "The path names the model, and `model` in the body counts for nothing."
OR_NULL: Schema = {"type": ["string", "null"]}
SCHEMAS: dict[str, Schema] = {
    "OpenAiError": object_of(
        error=object_of(message=TEXT, type=TEXT, param=OR_NULL, code=OR_NULL),
    ),
    "OpenAiAnswer": open_object_of(
        {"object": TEXT, "model": TEXT, "choices": list_of(open_object_of({"index": COUNT}))}
    ),
    "OpenAiEmbeddings": open_object_of(
        {"object": TEXT, "model": TEXT, "data": list_of(open_object_of({"index": COUNT}))}
    ),
}


def openai_errors(statuses: Iterable[int] = STATUSES) -> dict[str, Any]:
    """Describe errors in OpenAI's shape."""
    return {
        str(status): {"description": ERRORS[status], "content": content("OpenAiError")}
        for status in statuses
    }


def answer(name: str, *, in_path: bool) -> Operation:
    """Describe one of the operations, of any model or of the one in the path."""
    operation, summary = SUMMARIES[name]
    example = EXAMPLES[name]
    streamed = {} if name == "embeddings" else REDIRECTED
    return {
        "operationId": f"{operation}OfModel" if in_path else operation,
        "tags": ["openai"],
        "summary": summary,
        "description": DESCRIPTION + (IN_PATH if in_path else IN_BODY),
        "parameters": [AFFINITY, VERSION_HEADER],
        "requestBody": {"required": True, "content": {JSON: {"example": example}}},
        "responses": answers(
            content("OpenAiEmbeddings" if name == "embeddings" else "OpenAiAnswer"),
            {**streamed, **openai_errors()},
        ),
    }


PATHS: dict[str, Operation] = {
    **{f"/v1/{name}": {"post": answer(name, in_path=False)} for name in EXAMPLES},
    **{
        f"/models/{{model}}/v1/{name}": {"parameters": [MODEL], "post": answer(name, in_path=True)}
        for name in EXAMPLES
    },
}
