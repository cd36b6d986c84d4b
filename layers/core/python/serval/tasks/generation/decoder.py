"""The graph that predicts the next token, with or without a cache of what it has read.

Names are those of optimum's exports: ``past_key_values.0.key`` in, ``present.0.key`` out;
``use_cache_branch`` chooses between the two halves of a merged decoder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from serval.models.tensor import Array
from serval.tasks.files import TaskUnreadable
from serval.tasks.graph import TaskGraph

PAST = "past_key_values."
PRESENTS = ("present.", "present_key_values.")
READS = ("input_ids", "decoder_input_ids", "output_sequence")
"""Names of what a decoder has written so far: tokens, or frames of a spectrogram."""
MASKS = ("attention_mask", "decoder_attention_mask")
CROSS = ".encoder."
"""In the name of a key or value of what the encoder read: it never changes after the first run."""


@dataclass(frozen=True, slots=True)
class DecoderGraph:
    """A decoder: the graph of the first run, and the graph of those after it."""

    first: TaskGraph
    following: TaskGraph
    presents: tuple[Mapping[str, str], Mapping[str, str]]
    """Input of the cache → the output that renews it: after the first run, and after later ones."""
    heads: int
    """How many keys and values a layer has, where the graph leaves that open."""
    head_size: int

    @classmethod
    def from_graphs(
        cls, first: TaskGraph, following: TaskGraph | None, config: Mapping[str, object]
    ) -> "DecoderGraph":
        """Put a decoder together; without ``following`` the first graph has every run.

        Raises
        ------
        TaskUnreadable
            If a cache goes in that does not come out, or nothing predicts a token.
        """
        later = following or first
        pasts = [name for name in later.inputs if name.startswith(PAST)]
        for name in pasts:
            if _present(first, name) is None:
                raise TaskUnreadable(
                    f"the decoder takes {name!r}, but has no output "
                    f"{name.replace(PAST, PRESENTS[0])!r}: export it with its cache"
                )
        if not any(name in first.inputs for name in READS):
            raise TaskUnreadable(
                f"the decoder has no input 'input_ids', but {', '.join(first.inputs)}"
            )
        heads, size = _shape_of_heads(config)
        shapes = [later.inputs[name].shape for name in pasts]
        if any(_leaves_heads_open(shape) for shape in shapes) and not (heads and size):
            raise TaskUnreadable(
                f"the decoder leaves the shape of {pasts[0]!r} open, and config.json has no "
                "'num_attention_heads' and 'hidden_size' to fill it"
            )
        return cls(first, later, _renewals(first, later, pasts), heads, size)

    @property
    def cached(self) -> bool:
        """Whether a later run reads only the token that is new."""
        return bool(self.presents[0])

    @property
    def pads(self) -> bool:
        """Whether a batch may have prompts of several lengths: the graph is told where each is."""
        return "position_ids" in self.first.inputs and MASKS[0] in self.first.inputs

    def begin(self, mask: Array, fixed: Mapping[str, Array] | None = None) -> "Decoding":
        """Begin to decode a batch.

        Parameters
        ----------
        mask
            INT64 [rows, n], 0 where a prompt is padded.
        fixed
            What every run is given besides, with as many rows.
        """
        return Decoding(self, mask, dict(fixed or {}))

    def empty(self, graph: TaskGraph, rows: int) -> dict[str, Array]:
        """Return the cache of a graph that has read nothing."""
        pasts: dict[str, Array] = {}
        for name, spec in graph.inputs.items():
            if name.startswith(PAST):
                given = (rows, self.heads, 0, self.head_size)
                shape = [
                    rows if axis == 0 else open_extent if extent < 0 else extent
                    for axis, (extent, open_extent) in enumerate(
                        zip(spec.shape, _open_extents(spec.shape, given), strict=True)
                    )
                ]
                pasts[name] = np.zeros(shape, np.float32)
        return pasts


@dataclass(slots=True)
class Decoding:
    """The state of one batch: what the decoder has read."""

    decoder: DecoderGraph
    mask: Array
    """INT64 [rows, n]: which of all tokens are no padding."""
    fixed: dict[str, Array]
    past: Mapping[str, Array] = field(default_factory=dict)
    read: Array | None = None
    """All tokens so far, where there is no cache."""
    seen: int = 0
    """How many columns have been read."""

    def run(self, ids: Array) -> Array:
        """Read tokens INT64 [rows, n]; return logits [rows, n or 1, vocabulary].

        Raises
        ------
        InferenceFailed
            If the graph fails.
        """
        graph = self.decoder.first if self.seen == 0 else self.decoder.following
        if not self.decoder.cached:
            ids = ids if self.read is None else np.concatenate([self.read, ids], axis=1)
            self.read = ids
        begin = self.seen if self.decoder.cached else 0
        self.seen = begin + ids.shape[1]
        if self.mask.shape[1] < self.seen:
            more = np.ones((len(ids), self.seen - self.mask.shape[1]), np.int64)
            self.mask = np.concatenate([self.mask, more], axis=1)
        if begin == 0 and self.decoder.cached:
            self.past = self.decoder.empty(graph, len(ids))
        presents = self.decoder.presents[begin > 0]
        logits = "logits" if "logits" in graph.outputs else next(iter(graph.outputs))
        outputs = graph.run(self._feed(ids, begin), [logits, *presents.values()])
        self.past = {**self.past, **{name: outputs[out] for name, out in presents.items()}}
        return outputs[logits]

    def select(self, rows: Array) -> None:
        """Go on with these rows, in this order; a row may come several times."""
        self.mask = self.mask[rows]
        self.fixed = {name: array[rows] for name, array in self.fixed.items()}
        self.past = {name: array[rows] for name, array in self.past.items()}
        if self.read is not None:
            self.read = self.read[rows]

    def reorder(self, rows: Array) -> None:
        """Go on with these rows, each of which continues the same input as the one it replaces."""
        self.past = {
            name: array if CROSS in name else array[rows] for name, array in self.past.items()
        }
        if self.read is not None:
            self.read = self.read[rows]

    def _feed(self, ids: Array, begin: int) -> dict[str, Array]:
        # A decoder beside its encoder in one graph has the second name, and the first is its text.
        takes = self.decoder.first.inputs
        name = "decoder_input_ids" if "decoder_input_ids" in takes else "input_ids"
        feed = {**self.fixed, **self.past, name: ids}
        for name in MASKS:
            feed.setdefault(name, self.mask)
        if "position_ids" in takes:
            positions = np.maximum(self.mask.cumsum(axis=1) - 1, 0)
            feed["position_ids"] = positions[:, begin:]
        if "cache_position" in takes:
            feed["cache_position"] = np.arange(begin, self.seen)
        if "use_cache_branch" in takes:
            feed["use_cache_branch"] = np.array([begin > 0])
        if "num_logits_to_keep" in takes:
            feed["num_logits_to_keep"] = np.array(0)
        return feed


def _renewals(
    first: TaskGraph, later: TaskGraph, pasts: Sequence[str]
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    begun = {name: out for name in pasts if (out := _present(first, name)) is not None}
    renewed = {name: out for name in pasts if (out := _present(later, name)) is not None}
    return begun, {name: out for name, out in renewed.items() if CROSS not in name}


def _present(graph: TaskGraph, name: str) -> str | None:
    names = (name.replace(PAST, prefix) for prefix in PRESENTS)
    return next((present for present in names if present in graph.outputs), None)


def _open_extents(shape: tuple[int, ...], given: tuple[int, ...]) -> tuple[int, ...]:
    """Return what stands for each open extent: where only one is open, it is the length."""
    if len(shape) == len(given) and _leaves_heads_open(shape):
        return given
    return (0,) * len(shape)


def _leaves_heads_open(shape: tuple[int, ...]) -> bool:
    return sum(extent < 0 for extent in shape[1:]) > 1


def _shape_of_heads(config: Mapping[str, object]) -> tuple[int, int]:
    def number(*names: str) -> int:
        values = (config.get(name) for name in names)
        return next((value for value in values if isinstance(value, int)), 0)

    attention = number("num_attention_heads", "n_head", "decoder_attention_heads", "num_heads")
    heads = number("num_key_value_heads") or attention
    hidden = number("hidden_size", "n_embd", "d_model")
    size = number("head_dim", "d_kv") or (hidden // attention if attention else 0)
    return heads, size
