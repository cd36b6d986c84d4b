"""``text-generation``: what comes after a text, by a decoder alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from serval.errors import InvalidParameter
from serval.tasks.files import TaskFiles
from serval.tasks.generation.chat_template import ChatTemplate
from serval.tasks.generation.decoder import DecoderGraph
from serval.tasks.generation.encoder_decoder import WITH_PAST, decoder_positions
from serval.tasks.generation.generate import generate
from serval.tasks.generation.loop import GeneratedToken, Writing, log_softmax
from serval.tasks.generation.prompts import Prompts, encode_prompts, make_batches
from serval.tasks.generation.settings import (
    GenerationDefaults,
    GenerationSettings,
)
from serval.tasks.generation.stops import Ends
from serval.tasks.generation.wording import Pieces, Wording, token_object
from serval.tasks.graph import TaskGraph
from serval.tasks.parameter_rules import known_parameters
from serval.tasks.parameters import Parameters
from serval.tasks.task import InputKind
from serval.tasks.text.inputs import check_text
from serval.tasks.text.tokenizer import TextTokenizer

DEFAULT_NEW_TOKENS = 100
"""What InferenceClient says of ``max_new_tokens``."""
MOST_BEST_OF = 16
MOST_TOP_TOKENS = 50
FOR_OTHERS = {
    "adapter_id": "nothing (a model is served as it was published; publish one for each adapter)",
    "grammar": "nothing (answers cannot be held to a grammar)",
    "watermark": "false (texts are not watermarked)",
}
"""What InferenceClient may send and no graph can do."""


@dataclass(frozen=True, slots=True)
class WrittenToken:
    """A token with the text that it adds."""

    token: GeneratedToken
    text: str


@dataclass(slots=True)
class Continuation:
    """What was written after one prompt."""

    prompt: list[int]
    prefill: list[float | None]
    """The logarithmic probability of each token of the prompt, if those are wanted."""
    tokens: list[WrittenToken]

    @property
    def likelihood(self) -> float:
        """The mean logarithmic probability of the tokens."""
        logs = [written.token.logprob or 0.0 for written in self.tokens]
        return sum(logs) / max(1, len(logs))


@dataclass(frozen=True, slots=True)
class TextGeneration:
    """A decoder-only language model: logits [batch, sequence, vocabulary]."""

    takes: ClassVar[InputKind] = "text"
    accepts: ClassVar[frozenset[str]] = known_parameters("text-generation")
    answers_in_list: ClassVar[bool] = True

    decoder: DecoderGraph
    tokenizer: TextTokenizer
    wording: Wording
    defaults: GenerationDefaults
    positions: int | None
    """How many tokens a text and what follows may have together; None: any number."""
    chat: ChatTemplate | None
    """What makes a prompt of a chat; None: the model takes texts alone."""

    @classmethod
    def from_files(cls, files: TaskFiles, graph: TaskGraph) -> "TextGeneration":
        """Read the tokenizer and the defaults; open decoder_with_past_model.onnx if it is there."""
        config = files.json("config.json")
        tokenizer = TextTokenizer.from_files(files)
        later = None
        if "use_cache_branch" not in graph.inputs and files.has(WITH_PAST):
            later = files.graph(WITH_PAST, "which writes the tokens after the first")
        inner = config.get("text_config") or config
        return cls(
            DecoderGraph.from_graphs(graph, later, inner),
            tokenizer,
            Wording.from_files(files, tokenizer.tokenizer),
            GenerationDefaults.from_files(files),
            decoder_positions(inner),
            ChatTemplate.from_files(files),
        )

    def answer(self, inputs: Sequence[Any], parameters: Parameters) -> list[Any]:
        """Return ``{"generated_text", "details"?}`` for each text."""
        refuse_others(parameters)
        best_of = parameters.integer("best_of", 1, least=1, most=MOST_BEST_OF)
        details = parameters.flag("details", default=False)
        settings = self.settings(parameters, logprobs=details or best_of > 1)
        if best_of > 1 and not settings.do_sample:
            raise InvalidParameter("best_of", best_of, "1, unless 'do_sample' is true")
        texts = [check_text(index, one) for index, one in enumerate(inputs)]
        prompts = self.prompts(texts, parameters)
        prefill = parameters.flag("decoder_input_details", default=False)
        answers = []
        for text, found in zip(
            texts, self.attempts(prompts, settings, best_of, prefill=prefill), strict=True
        ):
            found.sort(key=lambda one: -one.likelihood)
            answers.append(self.describe(text, found, parameters, settings))
        return answers

    def attempts(
        self,
        prompts: Sequence[list[int]],
        settings: GenerationSettings,
        count: int,
        *,
        prefill: bool = False,
    ) -> list[list[Continuation]]:
        """Write ``count`` times after each prompt, given as token ids.

        Each attempt has numbers of its own, and the first those of the seed itself.
        """
        tries = [
            self._complete(prompts, replace(settings, seed=settings.seed + attempt), prefill)
            for attempt in range(count)
        ]
        return [list(found) for found in zip(*tries, strict=True)]

    def prompts(self, texts: Sequence[str], parameters: Parameters) -> list[list[int]]:
        """Return texts as token ids, cut as a request says."""
        keep = parameters.integer("truncate", 0) or None
        return encode_prompts(self.tokenizer, texts, self.defaults.token("bos_token_id"), keep)

    def settings(self, parameters: Parameters, *, logprobs: bool) -> GenerationSettings:
        """Read what a request says of generation."""
        top = parameters.integer("top_n_tokens", 0, most=MOST_TOP_TOKENS)
        return replace(self.defaults.settings(parameters), logprobs=logprobs, top_tokens=top)

    def steps(
        self, prompts: Prompts, settings: GenerationSettings, written: Sequence[int] = ()
    ) -> Iterator[WrittenToken]:
        """Write after a batch of prompts, token by token, each with the text that it adds.

        Without beams, a token comes as soon as it is known.

        Parameters
        ----------
        written
            The tokens that each text begins with, since a reader has them already; with beams,
            texts are found as a whole, and begin as they do.
        """
        pieces = [Pieces(self.tokenizer.tokenizer) for _ in prompts.items]
        for token in generate(replace(self._writing(prompts, settings), written=written)):
            text = pieces[token.item].add(token.id, last=token.finish is not None)
            yield WrittenToken(token, text)

    def follow(
        self, prompt: list[int], settings: GenerationSettings, written: Sequence[int] = ()
    ) -> Iterator[WrittenToken]:
        """Write after one prompt, token by token; ``written`` as for ``steps``."""
        [prompts] = make_batches([prompt], self.tokenizer.pad_id, mixed=self.decoder.pads)
        return self.steps(prompts, settings, written)

    def _writing(self, prompts: Prompts, settings: GenerationSettings) -> Writing:
        bound = settings.bound(prompts.ids.shape[1], self.positions, DEFAULT_NEW_TOKENS)
        ends = Ends(frozenset(settings.eos), settings.stop, self.tokenizer.tokenizer)
        return Writing(self.decoder.begin(prompts.mask), prompts.ids, ends, bound)

    def _complete(
        self, ids: Sequence[list[int]], settings: GenerationSettings, prefill: bool
    ) -> list[Continuation]:
        found = [Continuation(prompt, [], []) for prompt in ids]
        for prompts in make_batches(
            ids, self.tokenizer.pad_id, mixed=self.decoder.pads, rows_each=settings.num_beams
        ):
            if prefill:
                self._prefill(prompts, found)
            for written in self.steps(prompts, settings):
                found[prompts.items[written.token.item]].tokens.append(written)
        return found

    def _prefill(self, prompts: Prompts, found: list[Continuation]) -> None:
        logits = self.decoder.begin(prompts.mask).run(prompts.ids)
        if logits.shape[1] < prompts.ids.shape[1]:
            return
        logs = log_softmax(logits.astype(np.float32))
        for row, item in enumerate(prompts.items):
            start = int(prompts.mask[row].argmax())
            line = prompts.ids[row, start:]
            known = logs[row, np.arange(start, prompts.ids.shape[1] - 1), line[1:]]
            found[item].prefill = [None, *known.tolist()]

    def describe(
        self,
        text: str,
        found: Sequence[Continuation],
        parameters: Parameters,
        settings: GenerationSettings,
    ) -> dict[str, Any]:
        """Return the answer to a text: what was written after it, the best of it first."""
        answer: dict[str, Any] = {"generated_text": self.text_of(text, found[0].tokens, parameters)}
        if parameters.flag("details", default=False):
            answer["details"] = self._details(found[0], settings)
            if len(found) > 1:
                answer["details"]["best_of_sequences"] = [
                    {
                        "generated_text": self.text_of(text, other.tokens, parameters),
                        **self._details(other, settings),
                    }
                    for other in found[1:]
                ]
        return answer

    def text_of(self, text: str, tokens: Sequence[WrittenToken], parameters: Parameters) -> str:
        """Return what was written after a text, perhaps with the text."""
        ids = [written.token.id for written in tokens]
        written_text = self.wording.text(ids, parameters)
        return text * parameters.flag("return_full_text", default=False) + written_text

    def _details(self, found: Continuation, settings: GenerationSettings) -> dict[str, Any]:
        details: dict[str, Any] = {
            "finish_reason": found.tokens[-1].token.finish,
            "generated_tokens": len(found.tokens),
            "seed": settings.seed if settings.do_sample else None,
            "prefill": [
                {"id": token, "text": self.word(token), "logprob": log}
                for token, log in zip(found.prompt, found.prefill, strict=False)
            ],
            "tokens": [self.describe_token(written) for written in found.tokens],
        }
        if settings.top_tokens:
            details["top_tokens"] = [self.describe_top(written) for written in found.tokens]
        return details

    def describe_token(self, written: WrittenToken) -> dict[str, Any]:
        """Write a token as text-generation-inference does."""
        return self._object(written.token.id, written.text, written.token.logprob)

    def describe_top(self, written: WrittenToken) -> list[dict[str, Any]]:
        """Write the likeliest tokens of a token's step."""
        return [self._object(token, self.word(token), log) for token, log in written.token.top]

    def _object(self, token: int, text: str, logprob: float | None) -> dict[str, Any]:
        return token_object(token, text, logprob, special=token in self.wording.special)

    def word(self, token: int) -> str:
        """Return the text of a token by itself."""
        return str(self.tokenizer.tokenizer.decode([token], skip_special_tokens=False))


def refuse_others(parameters: Parameters) -> None:
    """Refuse what no graph can do, unless it asks for nothing."""
    for name, expected in FOR_OTHERS.items():
        value = parameters.get(name)
        if value not in (None, False):
            raise InvalidParameter(name, value, expected)
