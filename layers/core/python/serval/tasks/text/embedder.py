"""Texts to embeddings, by the files that sentence-transformers writes beside a model."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tokenizers

from serval.errors import InvalidParameter
from serval.foreign import refusing
from serval.models.tensor import Array
from serval.short_repr import short_repr
from serval.tasks.files import TaskFiles, TaskUnreadable
from serval.tasks.graph import TaskGraph
from serval.tasks.parameters import Parameters
from serval.tasks.text.dense import DenseLayer
from serval.tasks.text.pooling import Pooling
from serval.tasks.text.runs import output_name, run_rows, run_texts
from serval.tasks.text.tokenizer import TextTokenizer

SENTENCE = "sentence_embedding"
"""The output of a graph that pools by itself."""
TOKENS = ("last_hidden_state", "token_embeddings")
PROMPTS = "config_sentence_transformers.json"
Layer = Callable[[Array], Array]


@dataclass(frozen=True, slots=True)
class Embedder:
    """An encoder with what follows it."""

    graph: TaskGraph
    tokenizer: TextTokenizer
    pooling: Pooling | None
    """None: the embeddings of tokens are the answer."""
    layers: Sequence[Layer]
    """What is done to pooled embeddings, [batch, size]."""
    prompts: Mapping[str, str]
    default_prompt: str | None

    @classmethod
    def from_files(cls, files: TaskFiles, graph: TaskGraph) -> "Embedder":
        """Read tokenizer, modules and prompts.

        ``pooling`` and ``normalize`` of model.yaml go over what the modules say.

        Raises
        ------
        TaskUnreadable
            If a module is not one that can be computed here.
        """
        pooling, layers = read_modules(files)
        if files.options.get("pooling"):
            pooling = Pooling.from_config(
                "model.yaml: task: pooling", {"pooling_mode": files.options["pooling"]}
            )
        if SENTENCE in graph.outputs:
            layers = []
        if files.options.get("normalize"):
            layers = [*layers, unit_length]
        config = files.json(PROMPTS)
        prompts = config.get("prompts") or {}
        if not isinstance(prompts, dict):
            raise TaskUnreadable(f"{PROMPTS}: prompts: {short_repr(prompts)} is no object")
        return cls(
            graph,
            _tokenizer(files, graph),
            pooling,
            layers,
            prompts,
            config.get("default_prompt_name"),
        )

    @property
    def pools(self) -> bool:
        """Whether a text gets one embedding."""
        return self.pooling is not None or SENTENCE in self.graph.outputs

    def prompt(self, parameters: Parameters) -> str:
        """Return what is written before each text.

        Raises
        ------
        InvalidParameter
            If ``prompt_name`` is none of the model's.
        """
        name = parameters.get("prompt_name")
        if name is None:
            return self.prompts.get(self.default_prompt or "", "")
        if not isinstance(name, str) or name not in self.prompts:
            known = ", ".join(self.prompts) or "none, since the model has no prompts,"
            raise InvalidParameter("prompt_name", name, f"one of: {known}")
        return self.prompts[name]

    def encode(
        self,
        texts: Sequence[str],
        prompt: str,
        *,
        truncate: bool | None = None,
        cut_left: bool | None = None,
        names: Sequence[str] = (),
    ) -> list[tokenizers.Encoding]:
        """Tokenise texts, each behind the prompt.

        ``names`` are what messages call the texts; without them they are inputs.

        Raises
        ------
        InvalidInputs
            If a text is longer than the model takes and must not be cut.
        """
        return self.tokenizer.encode(
            [prompt + text for text in texts], truncate=truncate, cut_left=cut_left, names=names
        )

    def embed(self, encodings: Sequence[tokenizers.Encoding], prompt: str) -> Array:
        """Return [texts, size]: an embedding for each text that was encoded behind the prompt."""
        if SENTENCE in self.graph.outputs:
            rows = self._rows(encodings, SENTENCE)
        else:
            pooling = self.pooling or Pooling(("mean",))
            skipped = 0 if pooling.with_prompt else self._tokens_of(prompt)
            rows = [pooling.pool(row, skipped) for row in self.embed_tokens(encodings)]
        embeddings: Array = np.stack(rows)
        for layer in self.layers:
            embeddings = layer(embeddings)
        return embeddings

    def embed_tokens(self, encodings: Sequence[tokenizers.Encoding]) -> list[Array]:
        """Return [tokens, size] for each text."""
        return self._rows(encodings, output_name(self.graph, *TOKENS))

    def _rows(self, encodings: Sequence[tokenizers.Encoding], output: str) -> list[Array]:
        if len(self.graph.outputs[output].shape) == 2:
            return list(run_texts(self.graph, self.tokenizer, encodings, output))
        return [row for (row,) in run_rows(self.graph, self.tokenizer, encodings, [output])]

    def _tokens_of(self, prompt: str) -> int:
        """Count the tokens of a prompt, without special ones behind it."""
        if not prompt:
            return 0
        encoding = self.tokenizer.tokenizer.encode(prompt)
        return len(encoding) - encoding.special_tokens_mask[-1]


def unit_length(embeddings: Array) -> Array:
    """Return vectors of length 1, along the last axis; one of zeros stays."""
    lengths = np.linalg.norm(embeddings, axis=-1, keepdims=True)
    result: Array = embeddings / np.maximum(lengths, 1e-12)
    return result


def read_modules(files: TaskFiles) -> tuple[Pooling | None, list[Layer]]:
    """Return the pooling and the layers that modules.json names behind the encoder."""
    if not files.has("modules.json"):
        if files.has("1_Pooling/config.json"):
            where = "1_Pooling/config.json"
            return Pooling.from_config(where, files.json(where)), []
        return None, []
    with refusing(lambda said: TaskUnreadable(f"modules.json: {said}")):
        written = json.loads(files.path("modules.json", "which names its layers").read_bytes())
        modules = [(str(one["type"]).rpartition(".")[2], str(one["path"])) for one in written]
    pooling, layers = None, list[Layer]()
    for kind, folder in modules:
        if kind == "Pooling":
            where = f"{folder}/config.json"
            pooling = Pooling.from_config(where, files.json(where))
        elif kind == "Dense":
            layers.append(DenseLayer.from_folder(files, folder).apply)
        elif kind == "Normalize":
            layers.append(unit_length)
        elif kind not in ("Transformer", "Dropout"):
            raise TaskUnreadable(
                f"modules.json: a module {kind!r}; Transformer, Pooling, Dense and Normalize can "
                "be computed: export a graph with the output 'sentence_embedding'"
            )
    return pooling, layers


def _tokenizer(files: TaskFiles, graph: TaskGraph) -> TextTokenizer:
    """Read the tokenizer with the length and the case of sentence_bert_config.json."""
    tokenizer = TextTokenizer.from_files(files, graph)
    config = files.json("sentence_bert_config.json")
    longest = config.get("max_seq_length")
    if isinstance(longest, int) and files.options.get("max_length") is None:
        known = tokenizer.max_length
        tokenizer = replace(tokenizer, max_length=min(longest, known) if known else longest)
    if config.get("do_lower_case") is True:
        tokenizer.lower_case()
    return tokenizer


def read_similarity(files: TaskFiles) -> Any:
    """Return the measure that the model was trained for."""
    return files.json(PROMPTS).get("similarity_fn_name")
