"""A language model that needs no runtime: the next token depends on the last one alone."""

from collections.abc import Sequence

import numpy as np

from serval.models.signature import TensorSpec
from serval.models.tensor import Array, Tensor
from serval.tasks.generation.decoder import DecoderGraph
from serval.tasks.generation.generate import GeneratedText, collect, generate
from serval.tasks.generation.loop import Writing
from serval.tasks.generation.settings import GenerationDefaults, GenerationSettings
from serval.tasks.generation.stops import Ends
from serval.tasks.graph import TaskGraph
from serval.tasks.parameters import Parameters

INT64, FP32 = "INT64", "FP32"


def markov(logits: Array) -> DecoderGraph:
    """Return a decoder without a cache: row i of ``logits`` is what follows token i."""

    def run(feed: Sequence[Tensor], _: Sequence[TensorSpec]) -> list[Tensor]:
        ids = next(tensor.array for tensor in feed if tensor.name == "input_ids")
        return [Tensor("logits", FP32, np.asarray(logits, np.float32)[ids])]

    inputs = {"input_ids": TensorSpec("input_ids", INT64, (-1, -1))}
    outputs = {"logits": TensorSpec("logits", FP32, (-1, -1, len(logits)))}
    return DecoderGraph.from_graphs(TaskGraph(inputs, outputs, run), None, {})


def settings(**asked: object) -> GenerationSettings:
    """Return the settings of a request over a bundle that says nothing."""
    return GenerationDefaults({}).settings(Parameters(asked))


def write_after(
    decoder: DecoderGraph, prompts: Sequence[Sequence[int]], asked: GenerationSettings
) -> list[GeneratedText]:
    """Write after prompts of one length."""
    prompt = np.array(prompts, np.int64)
    bound = asked.bound(prompt.shape[1], None, 5)
    decoding = decoder.begin(np.ones_like(prompt))
    writing = Writing(decoding, prompt, Ends(frozenset(bound.eos)), bound)
    return collect(generate(writing), len(prompt))
