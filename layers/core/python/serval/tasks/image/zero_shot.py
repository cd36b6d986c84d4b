"""``zero-shot-image-classification``: which of a request's labels fits an image best."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from serval.errors import InvalidParameter
from serval.models.tensor import Array
from serval.tasks.files import TaskFiles, TaskUnreadable
from serval.tasks.graph import TaskGraph
from serval.tasks.image.prepare import ImagePreparation
from serval.tasks.parameter_rules import known_parameters
from serval.tasks.parameters import Parameters
from serval.tasks.scores import best_first, sigmoid, softmax
from serval.tasks.task import InputKind
from serval.tasks.text.tokenizer import TextTokenizer

TEMPLATE = "This is a photo of {}."
LOGITS = "logits_per_image"
SIGLIP_TOKENS = 64
"""SigLIP was trained on texts of exactly this length."""


@dataclass(frozen=True, slots=True)
class ZeroShotImageClassification:
    """A model of images and texts, such as CLIP or SigLIP: logits_per_image [images, texts]."""

    takes: ClassVar[InputKind] = "image"
    accepts: ClassVar[frozenset[str]] = known_parameters("zero-shot-image-classification")
    answers_in_list: ClassVar[bool] = False

    graph: TaskGraph
    preparation: ImagePreparation
    tokenizer: TextTokenizer
    tokens: int
    """The number of tokens of each text; below 1, that of the longest."""
    independent: bool
    """Whether each label has a probability of its own, as SigLIP's have."""

    @classmethod
    def from_files(cls, files: TaskFiles, graph: TaskGraph) -> "ZeroShotImageClassification":
        """Read preprocessor and tokenizer.

        Raises
        ------
        TaskUnreadable
            If the graph does not compare images with texts.
        """
        if LOGITS not in graph.outputs or "input_ids" not in graph.inputs:
            raise TaskUnreadable(
                f"the graph has no output {LOGITS!r} or no input 'input_ids', by which images are "
                f"compared with texts; it has {', '.join([*graph.inputs, *graph.outputs])}"
            )
        independent = "siglip" in str(files.json("config.json").get("model_type"))
        fixed = graph.inputs["input_ids"].shape[-1]
        return cls(
            graph,
            ImagePreparation.from_files(files, graph),
            TextTokenizer.from_files(files),
            SIGLIP_TOKENS if independent and fixed < 1 else fixed,
            independent,
        )

    def answer(self, inputs: Sequence[Any], parameters: Parameters) -> list[Any]:
        """Return ``[{"label", "score"}, …]`` for each image, best first."""
        labels = parameters.texts("candidate_labels")
        if not labels:
            raise InvalidParameter(
                "candidate_labels", parameters.get("candidate_labels"), "a list of labels"
            )
        template = parameters.text("hypothesis_template", TEMPLATE)
        if "{}" not in template:
            raise InvalidParameter("hypothesis_template", template, "a text with {} for the label")
        tokens = self._tokens([template.replace("{}", label) for label in labels])
        answers = []
        for _, outputs in self.preparation.run(self.graph, inputs, tokens, [LOGITS]):
            row = outputs[LOGITS].astype(np.float32)
            scores = sigmoid(row) if self.independent else softmax(row)
            best = best_first(scores, len(labels))
            answers.append(
                [{"label": labels[index], "score": float(scores[index])} for index in best]
            )
        return answers

    def _tokens(self, texts: Sequence[str]) -> dict[str, Array]:
        encodings = self.tokenizer.encode(texts)
        for encoding in encodings if self.tokens > 0 else ():
            encoding.truncate(self.tokens)
            encoding.pad(
                self.tokens, pad_id=self.tokenizer.pad_id, pad_type_id=self.tokenizer.pad_type_id
            )
        return self.tokenizer.pad(encodings)
