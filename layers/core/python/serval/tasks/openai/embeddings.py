"""``POST /v1/embeddings``, by a model of feature-extraction."""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np

from serval.errors import InvalidParameter, UnsupportedFeature
from serval.tasks.call import check_text_size
from serval.tasks.openai.body_rules import EMBEDDINGS, FORMS
from serval.tasks.openai.document import AnswerHead, read_parameters
from serval.tasks.parameters import Parameters
from serval.tasks.payload import MOST_INPUTS
from serval.tasks.task import Task
from serval.tasks.text.embed import FeatureExtraction

EXPECTED = (
    f"a text or a list of 1 to {MOST_INPUTS} texts (token ids differ from model to model: let the "
    "client send texts)"
)


def answer_embeddings(
    task: Task | None, document: Mapping[str, Any], head: AnswerHead
) -> dict[str, Any]:
    """Answer with an embedding of length 1 for each text.

    Raises
    ------
    InvalidRequest
        If a parameter or a text is wrong, or the model has no embeddings of texts.
    """
    if not isinstance(task, FeatureExtraction):
        raise head.refuse_task("embeddings", "feature-extraction")
    if not task.embedder.pools:
        raise UnsupportedFeature(
            f"model {head.model!r} has embeddings of tokens, not of texts: set 'pooling: mean' "
            "under 'task:' in its model.yaml and publish it again"
        )
    given = read_parameters(document, EMBEDDINGS)
    form = given.choice("encoding_format", "float", FORMS)
    texts = read_texts(given)
    own = {name: value for name, value in given.values.items() if name in task.accepts}
    parameters = Parameters({**own, "normalize": True})
    encodings = task.encode(texts, parameters)
    found = task.embed(encodings, parameters)
    read = sum(map(len, encodings))
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": _encode(one, form)}
            for index, one in enumerate(found)
        ],
        "model": head.model,
        "usage": {"prompt_tokens": read, "total_tokens": read},
    }


def read_texts(given: Parameters) -> list[str]:
    """Return the texts.

    Raises
    ------
    InvalidParameter
        If they are something else.
    """
    value = given.get("input")
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not 0 < len(texts) <= MOST_INPUTS:
        raise InvalidParameter("input", value, EXPECTED)
    if not all(isinstance(one, str) and one for one in texts):
        raise InvalidParameter("input", value, EXPECTED)
    check_text_size(texts)
    return texts


def _encode(embedding: list[float], form: str) -> list[float] | str:
    if form == "float":
        return embedding
    return base64.b64encode(np.asarray(embedding, "<f4").tobytes()).decode("ascii")
