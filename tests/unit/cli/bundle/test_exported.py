"""serval_cli/bundle/exported: folders that exporters write, and what they lack."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper

from serval.bundles.bundle import read_bundle
from serval_cli.bundle.exported.detection import detect_task
from serval_cli.bundle.exported.detector import detector_task
from serval_cli.bundle.exported.files import companion_files
from serval_cli.bundle.exported.graphs import choose_graphs
from serval_cli.bundle.exported.reader import card_task, describe_tokenizer, read_exported
from serval_cli.bundle.sources import SourceChoices, read_source
from serval_cli.failures import CommandFailed
from tests.fakes.init_command import make, write_graph, write_nodes

CLASSIFIER = {
    "architectures": ["DistilBertForSequenceClassification"],
    "id2label": {"0": "NEGATIVE", "1": "POSITIVE"},
    "max_position_embeddings": 512,
}


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """A classifier as optimum exports one, with what a bundle does not need."""
    folder = tmp_path / "export"
    folder.mkdir()
    write_graph(folder / "model.onnx")
    (folder / "config.json").write_text(json.dumps(CLASSIFIER))
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (folder / name).write_text("{}")
    for name in ("model.safetensors", "vocab.txt", "pytorch_model.bin", "training_args.bin"):
        (folder / name).write_text("weights")
    return folder


@pytest.mark.parametrize(
    ("architecture", "more", "task"),
    [
        ("BertForSequenceClassification", {}, "text-classification"),
        ("BartForSequenceClassification", {"id2label": {"0": "contradiction", "2": "entailment"}},
         "zero-shot-classification"),
        ("BertForTokenClassification", {}, "token-classification"),
        ("RobertaForQuestionAnswering", {}, "question-answering"),
        ("BertForMaskedLM", {}, "fill-mask"),
        ("LlamaForCausalLM", {}, "text-generation"),
        ("GPT2LMHeadModel", {}, "text-generation"),
        ("BertModel", {}, "feature-extraction"),
        ("MarianMTModel", {}, "translation"),
        ("T5ForConditionalGeneration", {"model_type": "t5"}, "summarization"),
        ("T5ForConditionalGeneration",
         {"model_type": "t5", "task_specific_params": {"translation_en_to_de": {}}}, "translation"),
        ("WhisperForConditionalGeneration", {"model_type": "whisper"},
         "automatic-speech-recognition"),
        ("BlipForConditionalGeneration", {"model_type": "blip"}, "image-to-text"),
        ("VisionEncoderDecoderModel", {}, "image-to-text"),
        ("ViTForImageClassification", {}, "image-classification"),
        ("DetrForObjectDetection", {}, "object-detection"),
        ("SegformerForSemanticSegmentation", {}, "image-segmentation"),
        ("CLIPModel", {}, "zero-shot-image-classification"),
        ("Wav2Vec2ForCTC", {}, "automatic-speech-recognition"),
        ("VitsModel", {}, "text-to-speech"),
    ],
)  # fmt: skip
def test_the_head_of_a_model_is_its_task(
    architecture: str, more: dict[str, Any], task: str
) -> None:
    config = {"architectures": [architecture], **more}
    found = detect_task(config, {}, None, sentence_modules=False)
    assert found is not None
    assert found.name == task
    assert architecture in found.reason


def test_a_sequence_classifier_of_sound_is_one_of_sound() -> None:
    config = {"architectures": ["Wav2Vec2ForSequenceClassification"]}
    found = detect_task(config, {"sampling_rate": 16000}, None, sentence_modules=False)
    assert found is not None
    assert found.name == "audio-classification"


def test_a_model_card_decides_where_a_head_serves_several_tasks() -> None:
    config = {"architectures": ["T5ForConditionalGeneration"], "model_type": "t5"}
    found = detect_task(config, {}, "translation", sentence_modules=False)
    assert found is not None
    assert (found.name, found.reason) == ("translation", "pipeline_tag in README.md")
    kept = detect_task(CLASSIFIER, {}, "object-detection", sentence_modules=False)
    assert kept is not None
    assert kept.name == "text-classification"


def test_a_folder_of_sentence_transformers_makes_embeddings() -> None:
    found = detect_task({"architectures": ["BertForMaskedLM"]}, {}, None, sentence_modules=True)
    assert found is not None
    assert found.name == "feature-extraction"


def test_a_head_that_nobody_knows_is_no_task() -> None:
    config = {"architectures": ["SamForMaskGeneration"]}
    assert detect_task(config, {}, None, sentence_modules=False) is None


def test_only_what_the_task_reads_is_copied(exported: Path, tmp_path: Path) -> None:
    source = read_source(exported, SourceChoices(tmp_path))
    assert set(source.files) == {
        "config.json",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert source.task == {"name": "text-classification"}
    assert list(source.found) == [
        "task: text-classification, by DistilBertForSequenceClassification in config.json",
        "labels: NEGATIVE, POSITIVE",
        "tokenizer: tokenizer.json, texts of at most 512 tokens; what is longer is cut",
    ]


def test_a_tokenizer_that_cannot_be_read_makes_no_bundle(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match=r"task text-classification: tokenizer.json: "):
        make(tmp_path, exported)
    assert not (tmp_path / "made").exists()


def test_a_config_stands_for_its_folder(exported: Path, tmp_path: Path) -> None:
    source = read_source(exported / "config.json", SourceChoices(tmp_path))
    assert source.task == {"name": "text-classification"}


def test_a_folder_of_weights_alone_is_refused_with_the_command_that_exports_it(
    exported: Path, tmp_path: Path
) -> None:
    (exported / "model.onnx").unlink()
    with pytest.raises(CommandFailed, match=r"optimum-cli export onnx --model \S+ export-onnx"):
        read_exported(exported, SourceChoices(tmp_path))
    with pytest.raises(CommandFailed, match="holds weights without a graph"):
        read_source(exported / "model.safetensors", SourceChoices(tmp_path))


def test_an_older_tokenizer_is_refused_with_what_to_do(exported: Path) -> None:
    (exported / "tokenizer.json").unlink()
    with pytest.raises(CommandFailed, match=r"has vocab.txt but no tokenizer.json.*AutoTokenizer"):
        companion_files(exported, "text-classification")


def test_a_model_of_images_needs_to_know_how_they_are_prepared(exported: Path) -> None:
    with pytest.raises(CommandFailed, match=r"no preprocessor_config.json, which says how"):
        companion_files(exported, "image-classification")
    (exported / "processor_config.json").write_text("{}")
    assert set(companion_files(exported, "image-classification")) == {
        "config.json",
        "processor_config.json",
    }


def test_pooling_configs_of_sentence_transformers_come_along(exported: Path) -> None:
    (exported / "modules.json").write_text("[]")
    (exported / "1_Pooling").mkdir()
    (exported / "1_Pooling" / "config.json").write_text("{}")
    assert "1_Pooling/config.json" in companion_files(exported, "feature-extraction")


@pytest.mark.parametrize(
    ("files", "wanted", "main", "artifact", "others"),
    [
        (["model.onnx", "model_quantized.onnx"], None, "model.onnx", "model.onnx", []),
        (["onnx/model.onnx", "onnx/model_fp16.onnx"], None, "model.onnx", "model.onnx", []),
        (["onnx/model.onnx", "onnx/model_fp16.onnx"], "model_fp16.onnx", "model_fp16.onnx",
         "model.onnx", []),
        (["yolo.onnx"], None, "yolo.onnx", "model.onnx", []),
        (["encoder_model.onnx", "decoder_model.onnx", "decoder_model_merged.onnx"], None,
         "encoder_model.onnx", "encoder_model.onnx", ["decoder_model_merged.onnx"]),
        (["encoder_model.onnx", "decoder_model.onnx", "decoder_with_past_model.onnx"], None,
         "encoder_model.onnx", "encoder_model.onnx",
         ["decoder_model.onnx", "decoder_with_past_model.onnx"]),
        (["encoder_model.onnx", "decoder_model.onnx", "decoder_postnet_and_vocoder.onnx"], None,
         "encoder_model.onnx", "encoder_model.onnx",
         ["decoder_model.onnx", "decoder_postnet_and_vocoder.onnx"]),
        (["encoder_model_int8.onnx", "decoder_model_merged_int8.onnx", "x.onnx"],
         "encoder_model_int8.onnx", "encoder_model_int8.onnx", "encoder_model.onnx",
         ["decoder_model_merged.onnx"]),
        (["decoder_model_merged.onnx", "decoder_model.onnx"], None, "decoder_model_merged.onnx",
         "model.onnx", []),
    ],
)  # fmt: skip
def test_the_graphs_of_an_export_are_found(
    tmp_path: Path, files: list[str], wanted: str | None, main: str, artifact: str,
    others: list[str],
) -> None:  # fmt: skip
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    chosen = choose_graphs(tmp_path, wanted, None)
    assert (chosen.main.name, chosen.artifact, list(chosen.others)) == (main, artifact, others)


def test_several_variants_are_asked_about(tmp_path: Path) -> None:
    for name in ("a.onnx", "b.onnx"):
        (tmp_path / name).touch()
    with pytest.raises(CommandFailed, match=r"--graph takes one of a.onnx, b.onnx"):
        choose_graphs(tmp_path, None, None)
    assert choose_graphs(tmp_path, None, lambda names: names[-1]).main.name == "b.onnx"
    with pytest.raises(CommandFailed, match=r"--graph c.onnx: .* has a.onnx, b.onnx"):
        choose_graphs(tmp_path, "c.onnx", None)


def test_an_encoder_without_its_decoder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "encoder_model.onnx").touch()
    with pytest.raises(CommandFailed, match=r"decoder_model_merged.onnx or decoder_model.onnx"):
        choose_graphs(tmp_path, None, None)


@pytest.mark.parametrize(
    ("card", "task"),
    [
        ("---\npipeline_tag: translation\nlicense: mit\n---\n# x", "translation"),
        ("---\npipeline_tag: [\n---\n", None),
        ("# x\n", None),
    ],
)
def test_a_model_card_may_name_the_task(tmp_path: Path, card: str, task: str | None) -> None:
    (tmp_path / "README.md").write_text(card)
    assert card_task(tmp_path / "README.md") == task


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        ("{0: 'person', 1: 'bicycle'}", ["person", "bicycle"]),
        ("{1: 'bicycle'}", None),
        ("__import__('os')", None),
        ("['person']", None),
    ],
)
def test_a_yolo_detector_is_recognised_by_its_metadata(
    names: str, labels: list[str] | None
) -> None:
    model = ModelProto()
    model.metadata_props.add(key="task", value="detect")
    model.metadata_props.add(key="names", value=names)
    task = {"name": "object-detection", "labels": labels} if labels else None
    assert detector_task(model) == task
    model.metadata_props[0].value = "pose"
    assert detector_task(model) is None


def test_a_detector_becomes_a_bundle_with_its_labels(tmp_path: Path) -> None:
    output = {"x": ["batch", 3, 64, 64]}
    weights = {"boxes": np.full((1, 6, 40), 0.5, np.float32)}
    zero = helper.make_node("ReduceMax", ["x"], ["m"], keepdims=0)
    nodes = [zero, helper.make_node("Mul", ["m", "none"], ["n"])]
    nodes.append(helper.make_node("Add", ["boxes", "n"], ["y"]))
    graph = write_nodes(tmp_path / "yolo.onnx", nodes, output, weights | {"none": np.float32(0)})
    model = onnx.load(graph)
    del model.graph.output[:]
    shape = [1, 6, 40]
    model.graph.output.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, shape))
    model.metadata_props.add(key="task", value="detect")
    model.metadata_props.add(key="names", value="{0: 'cat', 1: 'dog'}")
    onnx.save(model, graph)
    folder = make(tmp_path, graph)
    bundle = read_bundle((folder / "model.yaml").read_text())
    assert bundle.task is not None
    assert bundle.task.labels == ("cat", "dog")
    assert '"answer"' in (folder / "golden.jsonl").read_text()


@pytest.mark.parametrize(("extent", "longest"), [(128, 128), (1024, 512), (-1, 512)])
def test_a_graph_of_one_length_says_how_long_texts_may_be(extent: int, longest: int) -> None:
    assert f"at most {longest} tokens" in describe_tokenizer(CLASSIFIER, {}, [extent])


def test_an_unknown_head_is_refused_with_the_tasks_there_are(
    exported: Path, tmp_path: Path
) -> None:
    config = {"architectures": ["SamForMaskGeneration"]}
    (exported / "config.json").write_text(json.dumps(config))
    with pytest.raises(CommandFailed, match=r"\(SamForMaskGeneration\) does not tell the task"):
        read_exported(exported, SourceChoices(tmp_path))
    with pytest.raises(CommandFailed, match=r"--task dancing: one of .*text-classification"):
        read_exported(exported, SourceChoices(tmp_path, task="dancing"))
    (exported / "config.json").write_text("[")
    with pytest.raises(CommandFailed, match=r"config.json is not JSON"):
        read_exported(exported, SourceChoices(tmp_path))
