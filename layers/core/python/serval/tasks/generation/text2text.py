"""``summarization``, ``translation`` and ``text2text-generation``: a text that becomes another."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from serval.tasks.files import TaskFiles
from serval.tasks.generation.encoder_decoder import EncoderDecoder
from serval.tasks.generation.generate import collect
from serval.tasks.generation.languages import Languages
from serval.tasks.generation.loop import GeneratedToken
from serval.tasks.generation.prompts import MOST_ROWS
from serval.tasks.generation.settings import SETTINGS, GenerationSettings
from serval.tasks.generation.stops import Ends
from serval.tasks.generation.wording import Wording
from serval.tasks.graph import TaskGraph
from serval.tasks.parameter_rules import known_parameters
from serval.tasks.parameters import Parameters
from serval.tasks.task import InputKind
from serval.tasks.text.inputs import check_text
from serval.tasks.text.tokenizer import TextTokenizer

TRUNCATIONS = ("do_not_truncate", "longest_first", "only_first", "only_second")


@dataclass(frozen=True, slots=True)
class Text2TextGeneration:
    """An encoder-decoder over text."""

    takes: ClassVar[InputKind] = "text"
    accepts: ClassVar[frozenset[str]] = known_parameters("text2text-generation")
    answers_in_list: ClassVar[bool] = True
    name: ClassVar[str] = "text2text-generation"
    key: ClassVar[str] = "generated_text"

    model: EncoderDecoder
    tokenizer: TextTokenizer
    wording: Wording
    languages: Languages
    options: Mapping[str, Any]
    """``src_lang`` and ``tgt_lang`` of model.yaml, for requests that say nothing."""

    @classmethod
    def from_files(cls, files: TaskFiles, graph: TaskGraph) -> "Text2TextGeneration":
        """Open encoder and decoder, the tokenizer, and what the config says of prefixes."""
        tokenizer = TextTokenizer.from_files(files)
        return cls(
            EncoderDecoder.from_files(files, graph),
            tokenizer,
            Wording.from_files(files, tokenizer.tokenizer),
            Languages.from_files(files, tokenizer.tokenizer),
            files.options,
        )

    def answer(self, inputs: Sequence[Any], parameters: Parameters) -> list[Any]:
        """Return an object with the new text for each text."""
        texts = [check_text(index, one) for index, one in enumerate(inputs)]
        said = generate_parameters(parameters)
        source, target = self._languages(parameters)
        params = self.languages.params(self.name, source, target)
        settings = self.settings(said, params, target)
        prefix = params.get("prefix")
        marked = [
            self.languages.mark(f"{prefix if isinstance(prefix, str) else ''}{text}", target)
            for text in texts
        ]
        answers = []
        size = max(1, MOST_ROWS // settings.num_beams)
        for start in range(0, len(marked), size):
            some = marked[start : start + size]
            tokens = self.steps(some, settings, source=source, truncate=_truncation(parameters))
            for text in collect(tokens, len(some)):
                answers.append({self.key: self.wording.text(text.ids, parameters)})
        return answers

    def settings(
        self, said: Parameters, params: Mapping[str, Any], target: str | None
    ) -> GenerationSettings:
        """Combine the defaults, those of the task, and the request."""
        own = {name: value for name, value in params.items() if name in SETTINGS}
        token = self.languages.token("tgt_lang", target)
        if token is not None:
            own["forced_bos_token_id"] = token
        return self.model.defaults.override(own).settings(said)

    def steps(
        self,
        texts: Sequence[str],
        settings: GenerationSettings,
        *,
        source: str | None,
        truncate: bool | None,
    ) -> Iterator[GeneratedToken]:
        """Write after a batch of texts, token by token; those of beams come at the end."""
        encodings = self.tokenizer.encode(list(texts), truncate=truncate)
        batch = self.tokenizer.pad(encodings)
        self.languages.replace(encodings, batch, self.languages.token("src_lang", source))
        ends = Ends(frozenset(settings.eos), settings.stop, self.tokenizer.tokenizer)
        return self.model.tokens(batch, settings, ends=ends)

    def _languages(self, parameters: Parameters) -> tuple[str | None, str | None]:
        both = Parameters({**self.options, **parameters.values})
        return both.text("src_lang", "") or None, both.text("tgt_lang", "") or None


@dataclass(frozen=True, slots=True)
class Summarization(Text2TextGeneration):
    """A text that becomes shorter."""

    name: ClassVar[str] = "summarization"
    key: ClassVar[str] = "summary_text"


@dataclass(frozen=True, slots=True)
class Translation(Text2TextGeneration):
    """A text in another language."""

    accepts: ClassVar[frozenset[str]] = known_parameters("translation")
    name: ClassVar[str] = "translation"
    key: ClassVar[str] = "translation_text"


def generate_parameters(parameters: Parameters) -> Parameters:
    """Return the parameters of generation: those sent beside others, and ``generate_parameters``.

    Raises
    ------
    InvalidParameter
        If that is no object, or has something else.
    """
    nested = parameters.members("generate_parameters", SETTINGS)
    beside = {name: value for name, value in parameters.values.items() if name in SETTINGS}
    return Parameters({**beside, **nested})


def _truncation(parameters: Parameters) -> bool | None:
    if parameters.get("truncation") is None:
        return None
    if isinstance(parameters.get("truncation"), bool):
        return parameters.flag("truncation", default=True)
    return parameters.choice("truncation", "longest_first", TRUNCATIONS) != "do_not_truncate"
