"""``sentence-similarity``: how close texts are to one text, by their embeddings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from serval.errors import InvalidInputs
from serval.models.tensor import Array
from serval.short_repr import short_repr
from serval.tasks.files import TaskFiles, TaskUnreadable
from serval.tasks.graph import TaskGraph
from serval.tasks.parameter_rules import known_parameters
from serval.tasks.parameters import Parameters
from serval.tasks.task import InputKind
from serval.tasks.text.embedder import Embedder, read_similarity, unit_length
from serval.tasks.text.inputs import COMPARED, check_member


def cosine(one: Array, others: Array) -> Array:
    """Return the cosines between a vector and others, [others]."""
    return dot(unit_length(one), unit_length(others))


def dot(one: Array, others: Array) -> Array:
    """Return the dot products, [others]."""
    result: Array = others @ one
    return result


def euclidean(one: Array, others: Array) -> Array:
    """Return the distances, negative so that more is closer."""
    result: Array = -np.linalg.norm(others - one, axis=1)
    return result


def manhattan(one: Array, others: Array) -> Array:
    """Return the sums of differences along the axes, negative so that more is closer."""
    result: Array = -np.abs(others - one).sum(axis=1)
    return result


MEASURES: Mapping[str, Callable[[Array, Array], Array]] = {
    "cosine": cosine,
    "dot": dot,
    "euclidean": euclidean,
    "manhattan": manhattan,
}


@dataclass(frozen=True, slots=True)
class SentenceSimilarity:
    """An encoder whose embeddings are compared."""

    takes: ClassVar[InputKind] = "arguments"
    accepts: ClassVar[frozenset[str]] = known_parameters("sentence-similarity")
    answers_in_list: ClassVar[bool] = False

    embedder: Embedder
    measure: str

    @classmethod
    def from_files(cls, files: TaskFiles, graph: TaskGraph) -> "SentenceSimilarity":
        """Read the encoder and ``similarity_fn_name``; without one it is the cosine.

        Raises
        ------
        TaskUnreadable
            If it is a measure that is not known.
        """
        measure = read_similarity(files) or "cosine"
        if measure not in MEASURES:
            raise TaskUnreadable(
                f"config_sentence_transformers.json: similarity_fn_name {short_repr(measure)} is "
                f"none of {', '.join(MEASURES)}"
            )
        return cls(Embedder.from_files(files, graph), measure)

    def answer(self, inputs: Sequence[Any], parameters: Parameters) -> list[Any]:
        """Return a number for each of the sentences of an input, in their order: more is closer."""
        prompt = self.embedder.prompt(parameters)
        answers = []
        for index, value in enumerate(inputs):
            source = check_member(index, value, "source_sentence", COMPARED)
            texts = [source, *_sentences(index, value)]
            names = [f"input {index}: sentences[{place - 1}]" for place in range(len(texts))]
            names[0] = f"input {index}: source_sentence"
            encodings = self.embedder.encode(texts, prompt, names=names)
            embeddings = self.embedder.embed(encodings, prompt)
            answers.append(MEASURES[self.measure](embeddings[0], embeddings[1:]).tolist())
        return answers


def _sentences(index: int, value: Mapping[str, Any]) -> list[str]:
    sentences = value.get("sentences")
    if sentences is None:
        raise InvalidInputs(f"input {index}: no 'sentences', {COMPARED} expected")
    is_list = isinstance(sentences, list) and len(sentences) > 0
    if not is_list or not all(isinstance(one, str) for one in sentences):
        raise InvalidInputs(
            f"input {index}: sentences: {short_repr(sentences)} given, a list of texts expected"
        )
    return list(sentences)
