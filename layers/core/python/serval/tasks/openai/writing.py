"""What chats and completions have in common: settings, choices, and how many tokens there were."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from serval.errors import ContextTooLong
from serval.tasks.generation.loop import GeneratedToken
from serval.tasks.generation.settings import MOST_NEW_TOKENS, SETTINGS, GenerationSettings
from serval.tasks.generation.stops import LENGTH, find_stop
from serval.tasks.generation.text_generation import Continuation, TextGeneration, WrittenToken
from serval.tasks.openai.body_rules import MOST_CHOICES
from serval.tasks.openai.told import TokenInWords, count_usage
from serval.tasks.parameters import Parameters

MOST_TOP = 20


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the texts that were written after a prompt."""

    text: str
    """Without the stop string that ended it."""
    finish_reason: str
    tokens: Sequence[TokenInWords]
    """Those that the text is of."""


@dataclass(frozen=True, slots=True)
class Texts:
    """All texts of a request, ``n`` for each prompt, in the order of the prompts."""

    choices: Sequence[Choice]
    usage: dict[str, int]


@dataclass(frozen=True, slots=True)
class WantedTexts:
    """What is to be written, and how."""

    prompts: Sequence[list[int]]
    settings: GenerationSettings
    count: int
    """How many choices each prompt has."""

    @property
    def repeats(self) -> int:
        """How many of them are the same text: all, if nothing is sampled."""
        return 1 if self.settings.do_sample else self.count

    def usage(self, written: int) -> dict[str, int]:
        """Return how many tokens were read, and written."""
        return count_usage(sum(map(len, self.prompts)), written)


def read_wanted(
    task: TextGeneration,
    prompts: Sequence[list[int]],
    given: Parameters,
    *,
    length: str,
    top: int | None,
    more_ends: Sequence[int] = (),
) -> WantedTexts:
    """Read what a body says of the texts after its prompts.

    Parameters
    ----------
    length
        The parameter that bounds how many tokens are written.
    top
        How many of the likeliest tokens are wanted of each step; None: no probabilities at all.
    more_ends
        Tokens that end a text beside the model's own.

    Raises
    ------
    ContextTooLong
        If there is no room for what is asked for.
    InvalidParameter
        If a value is impossible.
    """
    count = given.integer("n", 1, least=1, most=MOST_CHOICES)
    settings = replace(
        _settings(task, prompts, given, length),
        logprobs=top is not None,
        top_tokens=top or 0,
    )
    settings = replace(settings, eos=tuple({*settings.eos, *more_ends}))
    return WantedTexts(prompts, settings, count)


def write(task: TextGeneration, wanted: WantedTexts) -> Texts:
    """Write all texts."""
    settings = wanted.settings
    return gather(
        task, wanted, task.attempts(wanted.prompts, settings, wanted.count // wanted.repeats)
    )


def gather(task: TextGeneration, wanted: WantedTexts, found: Sequence[list[Continuation]]) -> Texts:
    """Make the choices from what was written after each prompt."""
    settings = wanted.settings
    choices = [_choose(task, one, settings) for tries in found for one in tries * wanted.repeats]
    written = sum(len(one.tokens) for tries in found for one in tries)
    return Texts(choices, wanted.usage(wanted.repeats * written))


def _settings(
    task: TextGeneration, prompts: Sequence[list[int]], given: Parameters, length: str
) -> GenerationSettings:
    prompt = max(map(len, prompts))
    room = MOST_NEW_TOKENS if task.positions is None else task.positions - prompt
    asked = given.integer(length, 0, least=1) or None
    if room < (asked or 1):
        wanted = "" if asked is None else f" and {length!r} asks for {asked}"
        remedy = f", or ask for at most {room}" if room > 0 else ""
        raise ContextTooLong(
            f"the model has {prompt + room} positions for a prompt and what follows: the prompt "
            f"takes {prompt} {'token' if prompt == 1 else 'tokens'}{wanted}; shorten it{remedy}"
        )
    own = {name: value for name, value in given.values.items() if name in SETTINGS}
    if asked is not None:
        own["max_new_tokens"] = asked
    settings = task.settings(Parameters(own), logprobs=False)
    if "top_k" not in own and "top_k" not in task.defaults.values:
        # transformers draws from the 50 likeliest tokens, OpenAI's API from all.
        settings = replace(settings, top_k=0)
    return settings


def _choose(task: TextGeneration, found: Continuation, settings: GenerationSettings) -> Choice:
    text = task.wording.text([one.token.id for one in found.tokens], Parameters())
    end = find_stop(text, settings.stop)
    reason = finish_reason(found.tokens[-1].token, end)
    text = text[:end]
    tokens = [in_words(task, one) for one in _tokens_of(task, text, found.tokens)]
    return Choice(text, reason, tokens)


def finish_reason(last: GeneratedToken, stopped_at: int | None) -> str:
    """Return why a text ends, given its last token and where a stop string cuts it."""
    return "length" if last.finish == LENGTH and stopped_at is None else "stop"


def _tokens_of(
    task: TextGeneration, text: str, tokens: Sequence[WrittenToken]
) -> Sequence[WrittenToken]:
    """Return the tokens of a text, without special ones and those after its end."""
    kept, length = [], 0
    for one in tokens:
        if one.token.id in task.wording.special:
            continue
        if length >= len(text):
            break
        length += len(one.text)
        kept.append(one)
    return kept


def read_top(given: Parameters, name: str) -> int:
    """Read how many of the likeliest tokens are wanted."""
    return given.integer(name, 0, most=MOST_TOP)


def in_words(task: TextGeneration, written: WrittenToken) -> TokenInWords:
    """Return a token as answers show it."""
    top = [(task.word(token), log) for token, log in written.token.top]
    return TokenInWords(written.text, written.token.logprob, top)
