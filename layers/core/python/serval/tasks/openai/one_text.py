"""One text that a call asks for, written token by token; another process may go on with it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from serval.errors import InvalidInputs
from serval.models.task_signature import ANSWERS
from serval.models.tensor import Tensor
from serval.protocol.binary_tensors import bytes_array
from serval.tasks.call import write_json
from serval.tasks.generation.text_generation import Continuation, TextGeneration, WrittenToken
from serval.tasks.openai.telling import Telling
from serval.tasks.openai.told import Told
from serval.tasks.openai.writing import Texts, WantedTexts, gather


@dataclass(slots=True)
class OneText:
    """One text being written; iterate over it for its tokens, and what each of them tells."""

    task: TextGeneration
    wanted: WantedTexts
    begun: Sequence[int]
    """The tokens that the text begins with; they come first, as they did before."""
    describe: Callable[[Texts], dict[str, Any]]
    """Writes the document of the whole answer."""
    _written: list[WrittenToken] = field(default_factory=list)

    def __post_init__(self) -> None:
        if len(self.wanted.prompts) != 1 or self.wanted.count != 1:
            raise InvalidInputs("a stream has one text: one prompt, and 'n' of 1, expected")

    @property
    def prompt(self) -> list[int]:
        """The tokens before the text."""
        [prompt] = self.wanted.prompts
        return prompt

    def __iter__(self) -> Iterator[tuple[WrittenToken, Told]]:
        """Write the text, token by token."""
        settings = self.wanted.settings
        telling = Telling(self.task, settings.stop, 0)
        for written in self.task.follow(self.prompt, settings, self.begun):
            self._written.append(written)
            yield written, telling.add(written)

    def outputs(self) -> list[Tensor]:
        """Return the answer as a whole, once the text has ended."""
        found = [[Continuation(self.prompt, [], self._written)]]
        answer = self.describe(gather(self.task, self.wanted, found))
        return [Tensor(ANSWERS, "BYTES", bytes_array([write_json(answer)], [1]))]

    def word(self, token: int) -> str:
        """Return the text of a token by itself."""
        return self.task.word(token)

    def is_special(self, token: int) -> bool:
        """Return whether a token stands for no text."""
        return token in self.task.wording.special
