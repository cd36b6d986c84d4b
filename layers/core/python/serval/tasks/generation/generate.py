"""Generation as a whole: from a batch that is ready to the texts that were written."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from serval.tasks.generation.beams import search
from serval.tasks.generation.loop import GeneratedToken, Writing, write


@dataclass(slots=True)
class GeneratedText:
    """What was written for one input."""

    tokens: list[GeneratedToken] = field(default_factory=list)

    @property
    def ids(self) -> list[int]:
        """The ids of the tokens, the one that ended it included."""
        return [token.id for token in self.tokens]


def generate(writing: Writing) -> Iterator[GeneratedToken]:
    """Write a batch, token by token.

    Beam search knows its tokens only at the end: it yields text after text. Otherwise each step
    yields a token for each text that goes on.
    """
    method = search if writing.settings.num_beams > 1 else write
    return method(writing, writing.decoding.run(writing.prompt))


def collect(tokens: Iterable[GeneratedToken], count: int) -> list[GeneratedText]:
    """Gather tokens to the texts of ``count`` inputs."""
    texts = [GeneratedText() for _ in range(count)]
    for token in tokens:
        texts[token.item].tokens.append(token)
    return texts
