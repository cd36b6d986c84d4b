"""What requests and model.yaml can ask of tasks about text, beyond what the originals offer."""

import json
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serval.errors import InvalidInputs
from serval.models.signature import TensorSpec
from serval.models.tensor import Tensor
from serval.tasks.catalogue import open_task
from serval.tasks.files import TaskFiles, TaskUnreadable
from serval.tasks.graph import TaskGraph
from serval.tasks.parameters import Parameters
from tests.tasks.harness import RECORDED, open_case, open_folder

LONG = "The river is cold. " * 20


def answer(case: str, inputs: list[Any], **parameters: Any) -> list[Any]:
    return open_case(case).answer(inputs, Parameters(parameters))


def bundle(tmp_path: Path, case: str, **files: Any) -> Path:
    """Copy a bundle; a file that is None is removed, any other merged into the one there."""
    folder = shutil.copytree(RECORDED / case / "bundle", tmp_path / "bundle")
    for name, content in files.items():
        path = folder / f"{name}.json"
        if content is None:
            path.unlink()
        elif isinstance(content, dict) and path.exists():
            path.write_text(json.dumps(json.loads(path.read_text()) | content))
        else:
            path.write_text(json.dumps(content))
    return folder


def test_a_long_text_may_lose_its_beginning() -> None:
    texts = ["Maria. " + LONG, "Paris. " + LONG]
    right = answer("feature-extraction-mean", texts)
    left = answer("feature-extraction-mean", texts, truncation_direction="Left")
    assert np.abs(np.subtract(*left)).max() == pytest.approx(0, abs=1e-5)
    assert np.abs(np.subtract(*right)).max() > 1e-3


def test_a_request_can_refuse_to_have_its_text_cut() -> None:
    with pytest.raises(InvalidInputs, match="the model takes at most 32"):
        answer("feature-extraction-mean", [LONG], truncate=False)


def test_a_batch_is_answered_as_its_texts_are_one_by_one() -> None:
    texts = ["The sky", LONG, "cats and dogs"]
    together = answer("feature-extraction-last", texts)
    alone = [answer("feature-extraction-last", [text])[0] for text in texts]
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_pooling_of_model_yaml_goes_over_the_folders(tmp_path: Path) -> None:
    folder = bundle(tmp_path, "feature-extraction")
    tokens = open_folder(folder).answer(["The sky"], Parameters())[0][0]
    pooled = open_folder(folder, pooling="mean", normalize=True).answer(["The sky"], Parameters())
    mean = np.mean(tokens, axis=0)
    np.testing.assert_allclose(pooled[0], mean / np.linalg.norm(mean), atol=1e-5)


def test_older_pooling_files_name_each_way(tmp_path: Path) -> None:
    folder = bundle(tmp_path, "feature-extraction-cls")
    expected = open_folder(folder).answer(["The sky"], Parameters())
    modes = {"pooling_mode_cls_token": True, "pooling_mode_max_tokens": True}
    (folder / "1_Pooling/config.json").write_text(json.dumps(modes))
    assert open_folder(folder).answer(["The sky"], Parameters()) == expected


def test_a_tokenizer_whose_config_names_no_special_tokens_has_the_usual_ones(
    tmp_path: Path,
) -> None:
    folder = bundle(tmp_path, "fill-mask-wordpiece", tokenizer_config=None)
    asked = ["The [MASK] is blue."]
    expected = answer("fill-mask-wordpiece", asked)
    assert open_folder(folder).answer(asked, Parameters()) == expected


def test_fill_mask_needs_a_mask_token(tmp_path: Path) -> None:
    folder = bundle(tmp_path, "fill-mask-wordpiece", tokenizer_config={"mask_token": None})
    with pytest.raises(TaskUnreadable, match="no 'mask_token' of the vocabulary"):
        open_folder(folder)


@pytest.mark.parametrize("kind", ["LSTM", "WordWeights"])
def test_a_module_that_cannot_be_computed_is_refused(tmp_path: Path, kind: str) -> None:
    folder = bundle(tmp_path, "feature-extraction-mean", modules=[{"type": kind, "path": "2"}])
    with pytest.raises(TaskUnreadable, match=rf"modules.json: a module '{kind}'"):
        open_folder(folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("1_Pooling/config.json", b'{"pooling_mode": "best"}', "'best' is none of cls, max"),
        ("2_Dense/config.json", b'{"activation_function": "torch.GLU"}', "'GLU' is none of"),
        ("2_Dense/model.safetensors", b"\xff" * 40, "2_Dense/model.safetensors: "),
        ("modules.json", b"{}x", "modules.json: "),
        ("tokenizer.json", b"{}", "tokenizer.json: "),
        ("config_sentence_transformers.json", b"[]", "a JSON object expected"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    folder = bundle(tmp_path, "feature-extraction-dense")
    (folder / name).write_bytes(content)
    with pytest.raises(TaskUnreadable, match=message):
        open_folder(folder)


def test_a_measure_that_is_not_known_is_refused(tmp_path: Path) -> None:
    folder = bundle(
        tmp_path,
        "sentence-similarity-mean",
        config_sentence_transformers={"similarity_fn_name": "taste"},
    )
    with pytest.raises(TaskUnreadable, match="'taste' is none of cosine, dot"):
        open_folder(folder)


def test_an_entity_of_two_windows_is_found_once() -> None:
    (found,) = answer("token-classification-bpe", [LONG], aggregation_strategy="simple", stride=20)
    pairs = list(pairwise(found))
    assert len(pairs) > 5
    assert all(one["end"] <= other["start"] for one, other in pairs)


def test_a_tokenizer_keeps_no_cut_from_one_call_to_the_next() -> None:
    task = open_case("question-answering-wordpiece")
    asked = {"question": "What?", "context": LONG}
    first = task.answer([asked], Parameters({"max_seq_len": 20, "doc_stride": 4}))
    task.answer([asked], Parameters())
    assert task.answer([asked], Parameters({"max_seq_len": 20, "doc_stride": 4})) == first


def test_length_and_case_of_sentence_transformers_files_hold(tmp_path: Path) -> None:
    files = {"max_seq_length": 6, "do_lower_case": True}
    folder = bundle(tmp_path, "feature-extraction-cls", sentence_bert_config=files)
    task = open_folder(folder)
    loud, quiet, longer = task.answer(
        ["SKY", "sky", "sky " * 30], Parameters({"prompt_name": "document"})
    )
    assert loud == quiet
    assert longer != quiet
    with pytest.raises(InvalidInputs, match="the model takes at most 6"):
        task.answer(["sky " * 30], Parameters({"truncate": False}))


def test_a_graph_that_pools_by_itself_is_taken_as_it_is(tmp_path: Path) -> None:
    folder = bundle(tmp_path, "feature-extraction-mean")
    task = open_folder(folder)
    graph = task.embedder.graph  # type: ignore[attr-defined]
    spec = next(iter(graph.outputs.values()))

    def pooled(tensors: Any, outputs: Any) -> list[Any]:
        hidden = graph.run_tensors(tensors, [spec])[0].array
        return [Tensor("sentence_embedding", "FP32", hidden.mean(axis=1))]

    outputs = {"sentence_embedding": TensorSpec("sentence_embedding", "FP32", (-1, 8))}
    own = TaskGraph(graph.inputs, outputs, pooled)
    files = TaskFiles(folder, lambda path: own)
    found = open_task("feature-extraction", files, own).answer(["The sky"], Parameters())[0]
    expected = task.answer(["The sky"], Parameters({"normalize": True}))[0]
    np.testing.assert_allclose(found / np.linalg.norm(found), expected, atol=1e-5)
