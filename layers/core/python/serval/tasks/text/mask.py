"""``fill-mask``: the words that a masked place of a text may have."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import tokenizers

from serval.errors import InvalidInputs, InvalidParameter
from serval.models.tensor import Array
from serval.tasks.files import TaskFiles, TaskUnreadable
from serval.tasks.graph import TaskGraph
from serval.tasks.parameter_rules import known_parameters
from serval.tasks.parameters import Parameters
from serval.tasks.scores import best_first, softmax
from serval.tasks.task import InputKind
from serval.tasks.text.inputs import check_text
from serval.tasks.text.runs import output_name, run_rows
from serval.tasks.text.tokenizer import TextTokenizer

TOP = 5
ROWS = 4
"""How many texts share a run: there is a score for each token and word of the vocabulary."""


@dataclass(frozen=True, slots=True)
class FillMask:
    """A masked language model: logits [batch, tokens, vocabulary]."""

    takes: ClassVar[InputKind] = "text"
    accepts: ClassVar[frozenset[str]] = known_parameters("fill-mask")
    answers_in_list: ClassVar[bool] = False

    graph: TaskGraph
    tokenizer: TextTokenizer
    mask: int

    @classmethod
    def from_files(cls, files: TaskFiles, graph: TaskGraph) -> "FillMask":
        """Read the tokenizer.

        Raises
        ------
        TaskUnreadable
            If it has no mask token.
        """
        tokenizer = TextTokenizer.from_files(files, graph)
        mask = tokenizer.special_ids.get("mask_token")
        if mask is None:
            raise TaskUnreadable(
                "tokenizer_config.json: no 'mask_token' of the vocabulary, which fill-mask needs"
            )
        return cls(graph, tokenizer, mask)

    def answer(self, inputs: Sequence[Any], parameters: Parameters) -> list[Any]:
        """Return ``[{"score", "token", "token_str", "sequence"}, …]`` for each text, best first.

        A text with several masks has such a list for each, filled one at a time.
        """
        targets = self._targets(parameters)
        count = parameters.integer("top_k", TOP, least=1)
        texts = [check_text(index, one) for index, one in enumerate(inputs)]
        encodings = self.tokenizer.encode(texts)
        places = [self._places(index, encoding) for index, encoding in enumerate(encodings)]
        name = output_name(self.graph, "logits")
        rows = run_rows(self.graph, self.tokenizer, encodings, [name], ROWS)
        answers: list[Any] = []
        for encoding, masked, (logits,) in zip(encodings, places, rows, strict=True):
            scores = softmax(logits[masked])
            filled = [
                self._fill(encoding.ids, place, scores[row], targets, count, alone=len(masked) == 1)
                for row, place in enumerate(masked)
            ]
            answers.append(filled[0] if len(masked) == 1 else filled)
        return answers

    def _places(self, index: int, encoding: tokenizers.Encoding) -> list[int]:
        places = [place for place, token in enumerate(encoding.ids) if token == self.mask]
        if not places:
            mask = self.tokenizer.tokenizer.id_to_token(self.mask)
            raise InvalidInputs(
                f"input {index}: no {mask} among its {len(encoding)} tokens: write {mask} where a "
                "word is wanted"
            )
        return places

    def _fill(
        self,
        ids: Sequence[int],
        place: int,
        scores: Array,
        targets: Array | None,
        count: int,
        *,
        alone: bool,
    ) -> list[dict[str, Any]]:
        """Return the best words for one place; ``alone``: without special tokens around it."""
        candidates = np.arange(len(scores)) if targets is None else targets
        found = []
        for best in best_first(scores[candidates], count):
            token = int(candidates[best])
            filled = [*ids[:place], token, *ids[place + 1 :]]
            pad = self.tokenizer.special_ids.get("pad_token")
            found.append(
                {
                    "score": float(scores[token]),
                    "token": token,
                    "token_str": self.tokenizer.decode([token]),
                    "sequence": self.tokenizer.decode(
                        [one for one in filled if one != pad], skip_special=alone
                    ),
                }
            )
        return found

    def _targets(self, parameters: Parameters) -> Array | None:
        """Return the ids of ``targets``; of a word that is no token, the first of its tokens."""
        if parameters.get("targets") is None:
            return None
        found = set()
        for word in parameters.texts("targets"):
            tokens = self.tokenizer.encode_whole([word], special=False)[0].ids
            token = self.tokenizer.tokenizer.token_to_id(word)
            if token is None:
                token = tokens[0] if tokens else None
            if token is not None:
                found.add(token)
        if not found:
            raise InvalidParameter("targets", parameters.get("targets"), "at least one word")
        return np.array(sorted(found))
