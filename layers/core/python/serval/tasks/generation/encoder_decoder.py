"""A model that reads with an encoder and writes with a decoder."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from serval.models.tensor import Array
from serval.tasks.files import TaskFiles, TaskUnreadable
from serval.tasks.generation.decoder import DecoderGraph
from serval.tasks.generation.generate import GeneratedText, collect, generate
from serval.tasks.generation.loop import GeneratedToken, Writing
from serval.tasks.generation.rules import Rule
from serval.tasks.generation.settings import GenerationDefaults, GenerationSettings
from serval.tasks.generation.stops import Ends
from serval.tasks.graph import TaskGraph

ENCODER = "encoder_model.onnx"
DECODER = "decoder_model.onnx"
MERGED = "decoder_model_merged.onnx"
WITH_PAST = "decoder_with_past_model.onnx"
HIDDEN = "encoder_hidden_states"
DEFAULT_NEW_TOKENS = 256


@dataclass(frozen=True, slots=True)
class EncoderDecoder:
    """An encoder and its decoder, for text, images and sound alike.

    A task prepares what the encoder reads, and decodes the ids that come back::

        model = EncoderDecoder.from_files(files, graph)
        settings = model.defaults.settings(parameters)
        texts = model.generate({"pixel_values": pixels}, settings)
        words = tokenizer.decode(texts[0].ids, skip_special_tokens=True)

    ``tokens`` is the same as an iterator. A decoder that must begin with more than its start token
    (a language, a task) is given a ``prompt``. What an encoder read serves several generations:
    ``encoded = model.encode(inputs)``, then ``model.generate(inputs, settings, encoded=encoded)``;
    ``model.decoder.begin(mask, encoded).run(prompt)`` gives the logits of a single step.
    """

    encoder: TaskGraph | None
    """None: encoder and decoder are one graph."""
    decoder: DecoderGraph
    defaults: GenerationDefaults
    positions: int | None
    """How many tokens the decoder has places for; None: any number."""

    @classmethod
    def from_files(cls, files: TaskFiles, graph: TaskGraph) -> "EncoderDecoder":
        """Open the graphs of optimum's exports.

        The version's own graph is the encoder, the decoder, or both in one; the others lie beside
        it: encoder_model.onnx, decoder_model_merged.onnx or decoder_model.onnx, and
        decoder_with_past_model.onnx.

        Raises
        ------
        TaskUnreadable
            If one of them is missing or not what its name says.
        """
        config = files.json("config.json")
        inner = config.get("decoder") or config.get("text_config") or config
        defaults = GenerationDefaults.from_files(files)
        if defaults.token("decoder_start_token_id") is None and not defaults.token("bos_token_id"):
            raise TaskUnreadable(
                "generation_config.json and config.json have no 'decoder_start_token_id', with "
                "which the decoder begins"
            )
        encoder, first, later = open_graphs(files, graph)
        decoder = DecoderGraph.from_graphs(first, later, inner)
        return cls(encoder, decoder, defaults, decoder_positions(inner))

    def start(self) -> int:
        """Return the token that the decoder begins with."""
        start = self.defaults.token("decoder_start_token_id")
        return start if start is not None else self.defaults.token("bos_token_id") or 0

    def encode(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run the encoder; return what every run of the decoder is given."""
        if self.encoder is None:
            return dict(inputs)
        names = self.encoder.outputs
        hidden = "last_hidden_state" if "last_hidden_state" in names else next(iter(names))
        states = self.encoder.run(inputs, [hidden])[hidden]
        mask = inputs.get("attention_mask")
        if mask is None or mask.shape != states.shape[:2]:
            mask = np.ones(states.shape[:2], np.int64)
        return {HIDDEN: states, "encoder_attention_mask": mask}

    def tokens(
        self,
        inputs: Mapping[str, Array],
        settings: GenerationSettings,
        *,
        encoded: Mapping[str, Array] | None = None,
        prompt: Array | None = None,
        ends: Ends | None = None,
        more_rules: Sequence[Rule] = (),
    ) -> Iterator[GeneratedToken]:
        """Write a batch, token by token.

        Parameters
        ----------
        inputs
            What the encoder takes, by name; axis 0 is the batch.
        encoded
            What ``encode`` returned for them, if it was called before.
        prompt
            INT64 [batch, n]: what each text begins with; by default the start token. Not yielded.
        ends
            What ends a text, if not the settings' tokens alone: stop strings need a tokenizer.

        Raises
        ------
        InvalidParameter
            If more is asked for than the decoder has positions for.
        """
        rows = len(next(iter(inputs.values())))
        if prompt is None:
            prompt = np.full((rows, 1), self.start(), np.int64)
        bound = settings.bound(prompt.shape[1], self.positions, DEFAULT_NEW_TOKENS)
        decoding = self.decoder.begin(np.ones_like(prompt), encoded or self.encode(inputs))
        ends = ends or Ends(frozenset(settings.eos))
        return generate(Writing(decoding, prompt, ends, bound, _sources(inputs), tuple(more_rules)))

    def generate(
        self, inputs: Mapping[str, Array], settings: GenerationSettings, **more: Any
    ) -> list[GeneratedText]:
        """Write a batch to its end; ``more`` is as ``tokens`` has it."""
        rows = len(next(iter(inputs.values())))
        return collect(self.tokens(inputs, settings, **more), rows)


def decoder_positions(config: Mapping[str, Any]) -> int | None:
    """Return how many positions a decoder has by its config; None if it has no bound."""
    if "relative_attention_num_buckets" in config:
        return None
    names = (
        "max_target_positions",
        "max_position_embeddings",
        "n_positions",
        "n_ctx",
        "max_seq_len",
        "max_sequence_length",
    )
    found = (config.get(name) for name in names)
    return next((value for value in found if isinstance(value, int) and value > 0), None)


def open_graphs(
    files: TaskFiles, graph: TaskGraph, hidden: str = HIDDEN
) -> tuple[TaskGraph | None, TaskGraph, TaskGraph | None]:
    """Open the encoder, and the decoder's graphs of the first run and of later ones.

    A version's own graph is one of the first two, or, without an encoder, both in one. ``hidden``
    is what the decoder calls the encoder's output.

    Raises
    ------
    TaskUnreadable
        If one is missing.
    """
    if "decoder_input_ids" in graph.inputs and hidden not in graph.inputs:
        return None, graph, None
    if hidden in graph.inputs:
        encoder = files.graph(ENCODER, "which reads what the decoder continues")
        return encoder, graph, _later(files, graph)
    name = MERGED if files.has(MERGED) else DECODER
    first = files.graph(name, "which writes what the encoder has read")
    return graph, first, _later(files, first)


def _later(files: TaskFiles, first: TaskGraph) -> TaskGraph | None:
    if "use_cache_branch" in first.inputs or not files.has(WITH_PAST):
        return None
    return files.graph(WITH_PAST, "which writes the tokens after the first")


def _sources(inputs: Mapping[str, Array]) -> list[Array]:
    ids = inputs.get("input_ids")
    if ids is None:
        return []
    mask = inputs.get("attention_mask", np.ones_like(ids))
    return [row[kept != 0] for row, kept in zip(ids, mask, strict=True)]
