"""models/textgen/graph.py: the exported loop answers as the decoder without a cache does."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from models.onnx_graph import OPSET
from models.textgen.build import DECODER, NEW_TOKENS, PROMPTS
from models.textgen.graph import export
from models.textgen.model import Decoder, complete
from serval.rollouts.forms.forms import save_form

ARTIFACT = Path(__file__).parents[3] / "models" / "textgen" / "model.onnx"
SMALL, FEW = Decoder(layers=2, heads=2, width=16, context=24), 8


class Exported:
    """A graph, and the decoder that it was made of."""

    def __init__(self, decoder, new_tokens, parameters, graph):
        self.decoder, self.new_tokens, self.parameters = decoder, new_tokens, parameters
        self.graph, self.session = graph, onnxruntime.InferenceSession(graph.SerializeToString())

    def answer(self, prompts):
        return self.session.run(None, {"prompt": prompts})[0]

    def expected(self, prompts):
        return complete(self.decoder, self.parameters, prompts, self.new_tokens)[0]


@pytest.fixture(scope="module")
def small():
    random = np.random.default_rng(0)
    parameters = {
        name: (array + random.normal(0, 0.2, array.shape)).astype(np.float32)
        for name, array in SMALL.start(random).items()
    }
    return Exported(SMALL, FEW, parameters, export(SMALL, parameters, FEW))


@pytest.fixture(scope="module")
def built():
    assert ARTIFACT.is_file(), "run `make models`"
    graph = onnx.load(ARTIFACT)
    parameters = {t.name: numpy_helper.to_array(t) for t in graph.graph.initializer}
    return Exported(DECODER, NEW_TOKENS, parameters, graph)


def random_prompts(rows, length):
    return np.random.default_rng(length).integers(0, 256, (rows, length)).astype(np.uint8)


def from_texts(*texts):
    return np.frombuffer("".join(texts).encode(), np.uint8).reshape(len(texts), -1)


@pytest.mark.parametrize("length", [0, 1, 2, 5, 14, 15, 16, 17, 40])
@pytest.mark.parametrize("rows", [1, 3])
def test_completions_are_those_of_the_decoder_without_a_cache(small, rows, length):
    prompts = random_prompts(rows, length)

    assert np.array_equal(small.answer(prompts), small.expected(prompts))


@pytest.mark.parametrize("text", [PROMPTS[0], "", "x", "The mean of 30 " * 9])
def test_the_built_artifact_completes_as_its_weights_say(built, text):
    prompt = from_texts(text)

    completion = built.answer(prompt)

    assert (completion.dtype, completion.shape) == (np.uint8, (1, NEW_TOKENS))
    assert np.array_equal(completion, built.expected(prompt))


def test_rows_of_a_batch_do_not_influence_each_other(built):
    texts = ["The data set ", "A classifier ", "For example, ", "zzzzzzzzzzzzz"]

    together = built.answer(from_texts(*texts))

    assert len({row.tobytes() for row in together}) == len(texts)
    for text, row in zip(texts, together, strict=True):
        assert np.array_equal(built.answer(from_texts(text))[0], row)


def test_of_a_long_prompt_the_last_bytes_that_fit_count(small):
    long = random_prompts(2, 100)

    assert np.array_equal(small.answer(long), small.answer(long[:, -(SMALL.context - FEW) :]))
    assert not np.array_equal(small.answer(long), small.answer(long[:, -3:]))


def test_the_graph_is_standard_and_has_its_loop_inside(small):
    onnx.checker.check_model(small.graph, full_check=True)

    (loop,) = (node for node in small.graph.graph.node if node.op_type == "Loop")
    nodes = [*small.graph.graph.node, *loop.attribute[0].g.node]
    assert {node.domain for node in nodes} == {""}
    assert [(each.domain, each.version) for each in small.graph.opset_import] == [("", OPSET)]


def test_the_graph_can_be_saved_as_the_runtime_has_optimised_it(built, tmp_path):
    save_form(ARTIFACT, tmp_path / "form", laid_out=False)

    session = onnxruntime.InferenceSession(tmp_path / "form" / "model.onnx")
    prompts = from_texts("The data set ", "A classifier ")
    assert np.array_equal(session.run(None, {"prompt": prompts})[0], built.answer(prompts))


def test_each_turn_of_the_loop_decodes_one_byte(small):
    (loop,) = (node for node in small.graph.graph.node if node.op_type == "Loop")
    body = loop.attribute[0].g

    carried = [value.name for value in body.input][2:]
    assert carried == [
        "so_far",
        *(f"block{n}.{part}.past" for n in (0, 1) for part in ("keys", "values")),
    ]
    assert body.node[0].op_type == "Slice"
    assert body.node[0].input[0] == "so_far"
    assert not any(node.op_type == "Trilu" for node in body.node)
