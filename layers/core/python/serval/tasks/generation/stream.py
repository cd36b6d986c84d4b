"""A text that is written token by token, and may go on where another process stopped."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from serval.errors import InvalidParameter, UnsupportedFeature
from serval.models.tensor import Tensor
from serval.tasks.generation.prompts import encode_prompts, make_batches
from serval.tasks.generation.settings import GenerationSettings
from serval.tasks.generation.text_generation import (
    Continuation,
    TextGeneration,
    WrittenToken,
    refuse_others,
)
from serval.tasks.parameters import Parameters
from serval.tasks.task import Task
from serval.tasks.tensors import read_call, write_answer_tensors
from serval.tasks.text.inputs import check_text

OF_WHOLE_TEXTS = {"best_of": 1, "decoder_input_details": False, "num_beams": 1}
"""Parameters of texts that are known only at their end, and what a stream takes of them."""


@dataclass(slots=True)
class TextStream:
    """One text on its way; iterate over it for its tokens."""

    task: TextGeneration
    text: str
    parameters: Parameters
    settings: GenerationSettings
    prompt: list[int]
    begun: Sequence[int]
    """The tokens that the text begins with; they come first, as they did before."""
    written: list[WrittenToken] = field(default_factory=list)

    def __iter__(self) -> Iterator[WrittenToken]:
        """Write the text, token by token."""
        [prompts] = make_batches([self.prompt], self.task.tokenizer.pad_id, mixed=False)
        for token in self.task.steps(prompts, self.settings, self.begun):
            self.written.append(token)
            yield token

    def outputs(self) -> list[Tensor]:
        """Return what the whole text is as an answer, once it has ended."""
        found = Continuation(self.prompt, [], self.written)
        answer = self.task.describe(self.text, [found], self.parameters, self.settings)
        return write_answer_tensors([answer])

    def word(self, token: int) -> str:
        """Return the text of a token by itself."""
        return self.task.word(token)

    def is_special(self, token: int) -> bool:
        """Return whether a token is no text."""
        return token in self.task.wording.special


def open_stream(
    task: Task | None, tensors: Sequence[Tensor], seed: int, begun: Sequence[int]
) -> TextStream:
    """Open the stream of a request of one text.

    Parameters
    ----------
    seed
        What the text is drawn by, unless the request has a seed: the same for each attempt.
    begun
        The tokens that were written before.

    Raises
    ------
    InvalidRequest
        If an input or a parameter is wrong, or the task does not write piece by piece.
    """
    if not isinstance(task, TextGeneration):
        raise UnsupportedFeature("the version's task writes no text token by token")
    inputs, parameters = read_call(task, tensors)
    refuse_others(parameters)
    for name, expected in OF_WHOLE_TEXTS.items():
        if parameters.get(name) not in (None, expected):
            raise InvalidParameter(name, parameters.get(name), f"{expected} (of a stream)")
    if parameters.get("seed") is None:
        parameters = Parameters({**parameters.values, "seed": seed})
    details = parameters.flag("details", default=False)
    settings = task.settings(parameters, logprobs=details)
    if settings.num_beams > 1:
        # The bundle says so; a stream writes what is likeliest token by token.
        raise InvalidParameter("num_beams", settings.num_beams, "1 (of a stream): say so")
    keep = parameters.integer("truncate", 0) or None
    begin = task.defaults.token("bos_token_id")
    [prompt] = encode_prompts(task.tokenizer, [check_text(0, inputs[0])], begin, keep)
    return TextStream(task, inputs[0], parameters, settings, prompt, begun)
