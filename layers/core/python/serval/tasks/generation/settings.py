"""How text is written: what a model's makers say, and what a request says over it.

Names and meanings are those of ``generation_config.json`` of transformers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from serval.errors import InvalidInputs, InvalidParameter
from serval.tasks.files import TaskFiles, TaskUnreadable
from serval.tasks.generation.token_ids import id_lists, one_id, token_ids
from serval.tasks.parameters import Parameters

CONFIG = "generation_config.json"
SETTINGS = frozenset(
    {
        "bad_words_ids",
        "begin_suppress_tokens",
        "do_sample",
        "early_stopping",
        "encoder_no_repeat_ngram_size",
        "encoder_repetition_penalty",
        "epsilon_cutoff",
        "eta_cutoff",
        "exponential_decay_length_penalty",
        "forced_bos_token_id",
        "forced_eos_token_id",
        "frequency_penalty",
        "length_penalty",
        "max_length",
        "max_new_tokens",
        "min_length",
        "min_new_tokens",
        "min_p",
        "no_repeat_ngram_size",
        "num_beams",
        "presence_penalty",
        "repetition_penalty",
        "seed",
        "stop",
        "stop_sequence",
        "stop_strings",
        "suppress_tokens",
        "temperature",
        "top_k",
        "top_p",
        "typical_p",
    }
)
"""The parameters that ``GenerationSettings`` reads."""
TOKENS = (
    "bos_token_id",
    "decoder_start_token_id",
    "eos_token_id",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "pad_token_id",
)
SAMPLING = ("temperature", "top_k", "top_p", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff")
"""A request that has one of these wants to sample."""
MOST_NEW_TOKENS = 4096
"""The most that is written by a model that has no bound of its own."""
MOST_BEAMS = 64
MOST_TOP = 10**6
MOST_SEED = 2**64


@dataclass(frozen=True, slots=True)
class GenerationSettings:
    """Everything that decides what is written after a prompt."""

    max_new_tokens: int | None = None
    max_length: int | None = None
    """As ``max_new_tokens``, but with the prompt; that one goes first."""
    length_asked: bool = False
    """Whether one of the two stands in the request; what a bundle says is cut where it must be."""
    min_new_tokens: int = 0
    min_length: int = 0
    """As ``min_new_tokens``, but with the prompt; that one goes first."""
    eos: tuple[int, ...] = ()
    """The tokens that end a text."""
    stop: tuple[str, ...] = ()
    """A text ends with the token that completes one of these."""
    do_sample: bool = False
    seed: int = 0
    temperature: float = 1.0
    top_k: int = 50
    """0: any token."""
    top_p: float = 1.0
    min_p: float = 0.0
    typical_p: float = 1.0
    epsilon_cutoff: float = 0.0
    eta_cutoff: float = 0.0
    num_beams: int = 1
    length_penalty: float = 1.0
    early_stopping: bool | str = False
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    no_repeat_ngram_size: int = 0
    encoder_repetition_penalty: float = 1.0
    encoder_no_repeat_ngram_size: int = 0
    forced_bos: int | None = None
    forced_eos: tuple[int, ...] = ()
    suppress: tuple[int, ...] = ()
    begin_suppress: tuple[int, ...] = ()
    bad_words: tuple[tuple[int, ...], ...] = ()
    decay: tuple[int, float] | None = None
    """After how many tokens the end becomes likelier, and by which factor a token."""
    logprobs: bool = False
    """Whether each token's logarithmic probability is wanted."""
    top_tokens: int = 0
    """How many of the likeliest tokens are wanted of each step."""

    def limit(self, prompt: int) -> int:
        """Return the length, prompt included, at which writing ends."""
        if self.max_new_tokens is not None:
            return prompt + self.max_new_tokens
        return prompt if self.max_length is None else self.max_length

    def bound(self, prompt: int, positions: int | None, default: int) -> "GenerationSettings":
        """Return the settings with a ``max_new_tokens`` that the model has room for.

        Parameters
        ----------
        prompt
            The longest prompt of the batch, in tokens.
        positions
            How many tokens the model has places for, the prompt's included; None: any number.
        default
            How many tokens are written if nothing says so.

        Raises
        ------
        InvalidInputs
            If the prompt leaves no room.
        InvalidParameter
            If the request asks for more than there is room for.
        """
        room = MOST_NEW_TOKENS if positions is None else positions - prompt
        if room < 1:
            raise InvalidInputs(
                f"the text is {prompt} tokens long, the model has {positions} positions for it and "
                "what follows: shorten it, or cut it with the parameter 'truncate'"
            )
        count = self.limit(prompt) - prompt
        if self.length_asked and not 0 < count <= room:
            name = "max_length" if self.max_new_tokens is None else "max_new_tokens"
            asked = count if name == "max_new_tokens" else self.max_length
            before = prompt * (name == "max_length")
            raise InvalidParameter(
                name,
                asked,
                f"{before + 1} to {before + room} (the model has {positions or 'any number of'} "
                f"positions, the text before takes {prompt})",
            )
        return replace(self, max_new_tokens=min(count if count > 0 else default, room))


@dataclass(frozen=True, slots=True)
class GenerationDefaults:
    """What the bundle says of generation, before a request does."""

    values: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_files(cls, files: TaskFiles) -> "GenerationDefaults":
        """Read generation_config.json, or what older models have of it in config.json.

        Raises
        ------
        TaskUnreadable
            If a value is impossible.
        """
        config = files.json("config.json")
        inner = config.get("decoder") or config.get("text_config") or {}
        values = {name: inner[name] for name in TOKENS if inner.get(name) is not None}
        own = SETTINGS.union(TOKENS) if not files.has(CONFIG) else TOKENS
        values |= {name: config[name] for name in own if config.get(name) is not None}
        said = files.json(CONFIG)
        values |= {name: value for name, value in said.items() if value is not None}
        options = files.options
        values |= {name: options[name] for name in SETTINGS & options.keys() - {"max_length"}}
        defaults = cls(values)
        try:
            defaults.settings(Parameters())
        except InvalidParameter as error:
            raise TaskUnreadable(f"{CONFIG}: {error}") from None
        return defaults

    def token(self, name: str) -> int | None:
        """Return the id of a special token, such as ``pad_token_id``; the first of several."""
        found = token_ids(name, self.values.get(name))
        return found[0] if found else None

    def override(self, values: Mapping[str, Any]) -> "GenerationDefaults":
        """Return these defaults with others over them."""
        return GenerationDefaults({**self.values, **values})

    def settings(self, request: Parameters) -> GenerationSettings:
        """Combine the defaults with a request.

        Raises
        ------
        InvalidParameter
            If a value is impossible, or two contradict each other.
        """
        asked = {name: value for name, value in request.values.items() if value is not None}
        values = {**self.values, **asked}
        if "max_length" in asked and "max_new_tokens" not in asked:
            values.pop("max_new_tokens", None)
        both = Parameters(values)
        sample = _wants_sampling(both, asked)
        beams = both.integer("num_beams", 1, least=1, most=MOST_BEAMS)
        if sample and beams > 1:
            raise InvalidParameter("num_beams", beams, "1 (beam search does not sample)")
        return GenerationSettings(
            max_new_tokens=_count(both, "max_new_tokens", least=1),
            max_length=_count(both, "max_length", least=1),
            length_asked="max_length" in asked or "max_new_tokens" in asked,
            min_new_tokens=both.integer("min_new_tokens", 0),
            min_length=both.integer("min_length", 0),
            eos=token_ids("eos_token_id", values.get("eos_token_id")),
            stop=_stops(both),
            do_sample=sample,
            seed=both.integer("seed", Random().getrandbits(31), least=-(2**63), most=MOST_SEED),
            temperature=both.number("temperature", 1.0, most=1e4) or 1.0,
            top_k=both.integer("top_k", 50, most=MOST_TOP),
            top_p=both.number("top_p", 1.0, most=1.0),
            min_p=both.number("min_p", 0.0, most=1.0),
            typical_p=both.number("typical_p", 1.0, most=1.0),
            epsilon_cutoff=both.number("epsilon_cutoff", 0.0, most=1.0),
            eta_cutoff=both.number("eta_cutoff", 0.0, most=1.0),
            num_beams=beams,
            length_penalty=both.number("length_penalty", 1.0, least=-100.0, most=100.0),
            early_stopping=_early_stopping(both),
            repetition_penalty=_positive(both, "repetition_penalty"),
            frequency_penalty=both.number("frequency_penalty", 0.0, least=-2.0, most=2.0),
            presence_penalty=both.number("presence_penalty", 0.0, least=-2.0, most=2.0),
            no_repeat_ngram_size=both.integer("no_repeat_ngram_size", 0, most=1000),
            encoder_repetition_penalty=_positive(both, "encoder_repetition_penalty"),
            encoder_no_repeat_ngram_size=both.integer("encoder_no_repeat_ngram_size", 0, most=1000),
            forced_bos=one_id("forced_bos_token_id", values.get("forced_bos_token_id")),
            forced_eos=token_ids("forced_eos_token_id", values.get("forced_eos_token_id")),
            suppress=token_ids("suppress_tokens", values.get("suppress_tokens")),
            begin_suppress=token_ids("begin_suppress_tokens", values.get("begin_suppress_tokens")),
            bad_words=id_lists("bad_words_ids", values.get("bad_words_ids")),
            decay=_decay(both),
        )


def _wants_sampling(both: Parameters, asked: Mapping[str, Any]) -> bool:
    # A temperature of 0 is how other services say "greedy".
    if asked.get("temperature") == 0:
        return False
    default = any(name in asked for name in SAMPLING) or both.flag("do_sample", default=False)
    return Parameters(asked).flag("do_sample", default=default)


def _count(values: Parameters, name: str, *, least: int) -> int | None:
    return None if values.get(name) is None else values.integer(name, least, least=least)


def _positive(values: Parameters, name: str) -> float:
    return values.number(name, 1.0, least=0.01, most=100.0)


def _stops(values: Parameters) -> tuple[str, ...]:
    names = ("stop", "stop_sequence", "stop_strings")
    found = [text for name in names for text in values.texts(name)]
    for text in found:
        if not 0 < len(text) <= 256:
            raise InvalidParameter("stop", text, "strings of 1 to 256 characters")
    return tuple(found)


def _early_stopping(values: Parameters) -> bool | str:
    if values.get("early_stopping") == "never":
        return "never"
    return values.flag("early_stopping", default=False)


def _decay(values: Parameters) -> tuple[int, float] | None:
    value = values.get("exponential_decay_length_penalty")
    if value is None:
        return None
    match value:
        case [int(start), float() | int() as factor] if start >= 0 and factor > 0:
            return start, float(factor)
    raise InvalidParameter(
        "exponential_decay_length_penalty", value, "a number of tokens with a factor over 0"
    )
