"""``feature-extraction``: embeddings, of texts or of their tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import tokenizers

from serval.tasks.files import TaskFiles
from serval.tasks.graph import TaskGraph
from serval.tasks.parameter_rules import known_parameters
from serval.tasks.parameters import Parameters
from serval.tasks.task import InputKind
from serval.tasks.text.embedder import Embedder, unit_length
from serval.tasks.text.inputs import check_text

SIDES = ("left", "right", "Left", "Right")


@dataclass(frozen=True, slots=True)
class FeatureExtraction:
    """An encoder: hidden states [batch, tokens, size], or pooled [batch, size]."""

    takes: ClassVar[InputKind] = "text"
    accepts: ClassVar[frozenset[str]] = known_parameters("feature-extraction")
    answers_in_list: ClassVar[bool] = False

    embedder: Embedder

    @classmethod
    def from_files(cls, files: TaskFiles, graph: TaskGraph) -> "FeatureExtraction":
        """Read tokenizer, modules and prompts."""
        return cls(Embedder.from_files(files, graph))

    def answer(self, inputs: Sequence[Any], parameters: Parameters) -> list[Any]:
        """Return the embedding of each text, a list of numbers.

        A model without pooling answers with those of the tokens: a list of one list, which has a
        list for each token. ``normalize`` makes vectors of length 1, after ``dimensions`` has kept
        the first few numbers.
        """
        texts = [check_text(index, one) for index, one in enumerate(inputs)]
        return self.embed(self.encode(texts, parameters), parameters)

    def encode(self, texts: Sequence[str], parameters: Parameters) -> list[tokenizers.Encoding]:
        """Tokenise texts behind their prompt, cut as the parameters say."""
        truncate, cut_left = None, None
        if parameters.get("truncate") is not None:
            truncate = parameters.flag("truncate", default=True)
        if parameters.get("truncation_direction") is not None:
            side = parameters.choice("truncation_direction", "right", SIDES)
            cut_left = side.lower() == "left"
        prompt = self.embedder.prompt(parameters)
        return self.embedder.encode(texts, prompt, truncate=truncate, cut_left=cut_left)

    def embed(self, encodings: Sequence[tokenizers.Encoding], parameters: Parameters) -> list[Any]:
        """Return the embeddings of texts that ``encode`` read, as ``answer`` does."""
        if self.embedder.pools:
            found = list(self.embedder.embed(encodings, self.embedder.prompt(parameters)))
        else:
            found = self.embedder.embed_tokens(encodings)
        size = found[0].shape[-1]
        kept = parameters.integer("dimensions", size, least=1, most=size)
        answers = []
        for one in found:
            one = one[..., :kept]
            if parameters.flag("normalize", default=False):
                one = unit_length(one)
            answers.append(one.tolist() if self.embedder.pools else [one.tolist()])
        return answers
