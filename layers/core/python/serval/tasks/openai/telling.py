"""Choices that are sent while they are written, as far as no later token can change them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from serval.tasks.generation.stops import find_stop, possible_stop
from serval.tasks.generation.text_generation import TextGeneration, WrittenToken
from serval.tasks.generation.wording import UNSETTLED, Pieces, clean_spaces
from serval.tasks.openai.told import Told, WaitingTokens
from serval.tasks.openai.writing import WantedTexts, finish_reason, in_words
from serval.tasks.parameters import Parameters


def tell(task: TextGeneration, wanted: WantedTexts) -> Iterator[Told]:
    """Write all choices, one after the other, token by token.

    All that is sent of a choice is together what ``write`` returns of it.
    """
    tries = wanted.count // wanted.repeats
    for at, prompt in enumerate(wanted.prompts):
        for attempt in range(tries):
            settings = replace(wanted.settings, seed=wanted.settings.seed + attempt)
            telling = Telling(task, settings.stop, at * wanted.count + attempt)
            said = []
            for written in task.follow(prompt, settings):
                said.append(telling.add(written))
                yield said[-1]
            for repeat in range(1, wanted.repeats):
                yield from (replace(one, index=one.index + repeat) for one in said)


@dataclass(slots=True)
class Telling:
    """A choice whose tokens are arriving."""

    task: TextGeneration
    stop: Sequence[str]
    index: int
    _pieces: Pieces = field(init=False)
    _cleans: bool = field(init=False)
    _decoded: str = ""
    _told: int = 0
    """How many characters of the text were told."""
    _waiting: WaitingTokens = field(default_factory=WaitingTokens)

    def __post_init__(self) -> None:
        wording = self.task.wording
        self._pieces = Pieces(wording.tokenizer, skip_special=True)
        self._cleans = wording.cleans(Parameters())

    def add(self, written: WrittenToken) -> Told:
        """Add a token; return what can be sent now."""
        token, is_last = written.token, written.token.finish is not None
        self._decoded += self._pieces.add(token.id, last=is_last)
        if token.id not in self.task.wording.special:
            self._waiting.add(in_words(self.task, written))
        text = clean_spaces(self._decoded) if self._cleans else self._decoded
        if self._cleans and not is_last:
            text = text[: max(0, len(text) - UNSETTLED)]
        end = find_stop(text, self.stop)
        safe = len(text) if end is None else end
        if not is_last and end is None:
            safe -= possible_stop(text, self.stop)
        safe = max(safe, self._told)
        news, self._told = text[self._told : safe], safe
        return Told(
            self.index,
            news,
            self._waiting.release(self._told),
            finish_reason(token, end) if is_last else None,
        )
