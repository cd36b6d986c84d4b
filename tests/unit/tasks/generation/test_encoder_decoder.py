"""The loop as tasks of images and sound use it."""

from collections.abc import Sequence

import numpy as np
import pytest

from serval.errors import InvalidParameter
from serval.models.signature import TensorSpec
from serval.models.tensor import Array, Tensor
from serval.tasks.files import TaskUnreadable
from serval.tasks.generation.decoder import DecoderGraph
from serval.tasks.generation.encoder_decoder import EncoderDecoder
from serval.tasks.generation.history import History
from serval.tasks.generation.settings import GenerationDefaults
from serval.tasks.graph import TaskGraph
from serval.tasks.parameters import Parameters
from tests.unit.tasks.generation.markov import FP32, INT64, settings

VOCABULARY = 10
DEFAULTS = GenerationDefaults({"decoder_start_token_id": 0, "eos_token_id": 9})


def encoder() -> TaskGraph:
    """An encoder that passes pixels on as states [batch, 1, 1]."""

    def run(feed: Sequence[Tensor], _: Sequence[TensorSpec]) -> list[Tensor]:
        return [Tensor("last_hidden_state", FP32, feed[0].array)]

    spec = TensorSpec("pixel_values", FP32, (-1, 1, 1))
    return TaskGraph(
        {"pixel_values": spec},
        {"last_hidden_state": TensorSpec("last_hidden_state", FP32, (-1, 1, 1))},
        run,
    )


def counting(ids_name: str, states_name: str) -> DecoderGraph:
    """A decoder that adds what the encoder read to the last token, up to 9."""

    def run(feed: Sequence[Tensor], _: Sequence[TensorSpec]) -> list[Tensor]:
        given = {tensor.name: tensor.array for tensor in feed}
        step = given[states_name].reshape(-1, 1).astype(np.int64)
        following = np.minimum(given[ids_name] + step, VOCABULARY - 1)
        return [Tensor("logits", FP32, np.eye(VOCABULARY, dtype=np.float32)[following])]

    names = {ids_name: INT64, states_name: FP32}
    inputs = {name: TensorSpec(name, kind, (-1, -1)) for name, kind in names.items()}
    outputs = {"logits": TensorSpec("logits", FP32, (-1, -1, VOCABULARY))}
    return DecoderGraph.from_graphs(TaskGraph(inputs, outputs, run), None, {})


def model() -> EncoderDecoder:
    decoder = counting("input_ids", "encoder_hidden_states")
    return EncoderDecoder(encoder(), decoder, DEFAULTS, 12)


def pixels(*values: int) -> dict[str, Array]:
    return {"pixel_values": np.array(values, np.float32).reshape(-1, 1, 1)}


@pytest.mark.parametrize("beams", [1, 3])
def test_what_the_encoder_read_is_written_until_the_end(beams: int) -> None:
    asked = DEFAULTS.settings(Parameters({"num_beams": beams, "max_new_tokens": 5}))
    texts = model().generate(pixels(3, 5), asked)
    assert [text.ids for text in texts] == [[3, 6, 9], [5, 9]]


def test_a_text_may_begin_with_more_than_the_start_token() -> None:
    prompt = np.array([[0, 4], [0, 1]])
    texts = model().generate(pixels(3, 3), DEFAULTS.settings(Parameters()), prompt=prompt)
    assert [text.ids for text in texts] == [[7, 9], [4, 7, 9]]


def test_what_was_encoded_once_serves_again() -> None:
    given = pixels(4)
    encoded = model().encode(given)
    asked = DEFAULTS.settings(Parameters())
    assert encoded["encoder_attention_mask"].tolist() == [[1]]
    assert model().generate(given, asked, encoded=encoded)[0].ids == [4, 8, 9]


def test_a_model_may_have_rules_of_its_own() -> None:
    def never_three(_: History, scores: Array) -> None:
        scores[:, 3] = -np.inf

    asked = DEFAULTS.settings(Parameters({"max_new_tokens": 1}))
    assert model().generate(pixels(3), asked, more_rules=[never_three])[0].ids == [0]


def test_no_more_is_written_than_the_decoder_has_places_for() -> None:
    with pytest.raises(InvalidParameter, match=r"max_new_tokens.*20 given.*12 positions"):
        model().generate(pixels(3), settings(max_new_tokens=20))


def test_encoder_and_decoder_may_be_one_graph() -> None:
    decoder = counting("decoder_input_ids", "input_ids")
    whole = EncoderDecoder(None, decoder, DEFAULTS, None)
    texts = whole.generate({"input_ids": np.array([[4], [9]])}, DEFAULTS.settings(Parameters()))
    assert [text.ids for text in texts] == [[4, 8, 9], [9]]


def test_heads_that_neither_graph_nor_config_knows_are_asked_for() -> None:
    past, present = "past_key_values.0.key", "present.0.key"
    inputs = {"input_ids": TensorSpec("input_ids", INT64, (-1, -1))}
    inputs[past] = TensorSpec(past, FP32, (-1, -1, -1, -1))
    outputs = {present: TensorSpec(present, FP32, (-1, -1, -1, -1))}
    graph = TaskGraph(inputs, outputs, lambda feed, wanted: [])
    with pytest.raises(TaskUnreadable, match=r"no 'num_attention_heads' and 'hidden_size'"):
        DecoderGraph.from_graphs(graph, None, {})
    decoder = DecoderGraph.from_graphs(graph, None, {"n_head": 2, "n_embd": 8})
    assert decoder.empty(graph, 3)[past].shape == (3, 2, 0, 4)
