"""``feature-extraction``: embeddings, of texts or of their tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from serval.tasks.files import TaskFiles
from serval.tasks.graph import TaskGraph
from serval.tasks.parameters import Parameters
from serval.tasks.task import InputKind
from serval.tasks.text.embedder import Embedder, unit_length
from serval.tasks.text.inputs import check_text

SIDES = ("left", "right", "Left", "Right")


@dataclass(frozen=True, slots=True)
class FeatureExtraction:
    """An encoder: hidden states [batch, tokens, size], or pooled [batch, size]."""

    takes: ClassVar[InputKind] = "text"
    accepts: ClassVar[frozenset[str]] = frozenset(
        {"dimensions", "normalize", "prompt_name", "truncate", "truncation_direction"}
    )
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
        prompt = self.embedder.prompt(parameters)
        truncate, cut_left = None, None
        if parameters.get("truncate") is not None:
            truncate = parameters.flag("truncate", default=True)
        if parameters.get("truncation_direction") is not None:
            side = parameters.choice("truncation_direction", "right", SIDES)
            cut_left = side.lower() == "left"
        if self.embedder.pools:
            found = list(self.embedder.embed(texts, prompt, truncate=truncate, cut_left=cut_left))
        else:
            found = self.embedder.embed_tokens(texts, prompt, truncate=truncate, cut_left=cut_left)
        size = found[0].shape[-1]
        kept = parameters.integer("dimensions", size, least=1, most=size)
        answers = []
        for one in found:
            one = one[..., :kept]
            if parameters.flag("normalize", default=False):
                one = unit_length(one)
            answers.append(one.tolist() if self.embedder.pools else [one.tolist()])
        return answers
