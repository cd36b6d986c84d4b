"""retro: the graphs, with a cache, write what the network in numpy writes without one."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from models.translator import Translator
from tests.unit.example_models.example_api import called_by_the_hub
from tests.unit.example_models.task_examples import TaskExample

pytestmark = pytest.mark.slow
MOST = 46


@pytest.fixture(scope="module")
def retro(tmp_path_factory: pytest.TempPathFactory) -> TaskExample:
    return TaskExample.built("not-deployed/retro", tmp_path_factory.mktemp("retro"), steps=300)


@pytest.fixture(scope="module")
def held_out(retro: TaskExample) -> list[tuple[str, str]]:
    return retro.build.reactions()[1]


def write(retro: TaskExample, product: str) -> str:
    graph = onnx.load(retro.folder / "decoder_model.onnx").graph
    weights = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    vocabulary, width = weights["tokens"].shape
    network = Translator(4, width, 48, vocabulary, retro.build.PADDING)
    tokenizer = retro.task.tokenizer.tokenizer
    read, written = np.array([tokenizer.encode(product).ids]), [retro.build.START]
    while len(written) <= MOST and written[-1] != retro.build.END:
        logits = network.forward(weights, read, np.array([written]))[0]
        written.append(int(logits[0, -1].argmax()))
    return tokenizer.decode(written)


def test_without_beams_the_graphs_write_what_the_network_writes(
    retro: TaskExample, held_out: list[tuple[str, str]]
) -> None:
    products = [product for product, _ in held_out[:6]]
    given = retro.answer(*products, num_beams=1)
    assert [one["generated_text"] for one in given] == [write(retro, one) for one in products]


def test_products_that_it_has_never_seen_are_taken_apart(
    retro: TaskExample, held_out: list[tuple[str, str]]
) -> None:
    given = retro.answer(*(product for product, _ in held_out))
    right = [one["generated_text"] == pair[1] for one, pair in zip(given, held_out, strict=True)]
    assert sum(right) > 12
    assert f"{sum(right)} of 36 held-out products right, all made up" in retro.said


def test_what_is_no_smiles_is_read_as_unknown(retro: TaskExample) -> None:
    (answer,) = retro.answer("?!")
    assert isinstance(answer["generated_text"], str)
    tokens = retro.task.tokenizer.tokenizer.encode("CBr?").tokens
    assert tokens == ["C", "Br", "<unk>", "</s>"]


def test_golden_requests_hold(retro: TaskExample) -> None:
    assert retro.check_golden() == [1] * 8


def test_building_twice_gives_the_same_bytes(retro: TaskExample, tmp_path: Path) -> None:
    retro.check_again(tmp_path, steps=2)


def test_the_graphs_have_the_names_of_optimum(retro: TaskExample) -> None:
    names = {}
    for path in retro.folder.glob("*.onnx"):
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        names[path.stem] = [one.name for one in (*model.graph.input, *model.graph.output)]
    assert names["encoder_model"] == ["input_ids", "attention_mask", "last_hidden_state"]
    assert names["decoder_model"][2:4] == ["encoder_hidden_states", "logits"]
    assert names["decoder_model"][-1] == "present.0.encoder.value"
    assert names["decoder_with_past_model"][-1] == "present.0.decoder.value"


def test_the_hubs_client_gets_what_a_molecule_could_be_made_of(
    retro: TaskExample, held_out: list[tuple[str, str]], tmp_path: Path
) -> None:
    product, _ = held_out[0]
    with called_by_the_hub(retro, tmp_path) as client:  # which has no method of the task's name
        given = client.text_generation(product)
    (expected,) = retro.answer(product)
    assert given == expected["generated_text"]
