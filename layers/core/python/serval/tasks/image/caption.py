"""``image-to-text``: what is to be seen or read on an image, in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from serval.tasks.files import TaskFiles
from serval.tasks.generation.encoder_decoder import EncoderDecoder
from serval.tasks.generation.text2text import generate_parameters
from serval.tasks.generation.wording import Wording
from serval.tasks.graph import TaskGraph
from serval.tasks.image.prepare import ImagePreparation
from serval.tasks.parameter_rules import known_parameters
from serval.tasks.parameters import Parameters
from serval.tasks.task import InputKind
from serval.tasks.text.tokenizer import TextTokenizer


@dataclass(frozen=True, slots=True)
class ImageToText:
    """An encoder of images with a decoder of text, such as ViT with GPT-2, or TrOCR.

    The encoder is the version's graph or encoder_model.onnx, and takes ``pixel_values``.
    """

    takes: ClassVar[InputKind] = "image"
    accepts: ClassVar[frozenset[str]] = known_parameters("image-to-text")
    answers_in_list: ClassVar[bool] = True

    model: EncoderDecoder
    encoder: TaskGraph
    preparation: ImagePreparation
    wording: Wording

    @classmethod
    def from_files(cls, files: TaskFiles, graph: TaskGraph) -> "ImageToText":
        """Open encoder and decoder, the preprocessor and the tokenizer."""
        model = EncoderDecoder.from_files(files, graph)
        encoder = model.encoder or graph
        tokenizer = TextTokenizer.from_files(files).tokenizer
        return cls(
            model,
            encoder,
            ImagePreparation.from_files(files, encoder),
            Wording.from_files(files, tokenizer),
        )

    def answer(self, inputs: Sequence[Any], parameters: Parameters) -> list[Any]:
        """Return ``{"generated_text"}`` for each image."""
        settings = self.model.defaults.settings(generate_parameters(parameters))
        answers: dict[int, dict[str, str]] = {}
        for members, arrays in self.preparation.batches(self.encoder, inputs):
            texts = self.model.generate(arrays, settings)
            for (index, _), text in zip(members, texts, strict=True):
                answers[index] = {"generated_text": self.wording.text(text.ids, parameters).strip()}
        return [answers[index] for index in range(len(inputs))]
