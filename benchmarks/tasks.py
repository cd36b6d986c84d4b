"""Measure what a task adds to its graph's own run: preparation, JPEG and JSON included.

Run as ``python -m benchmarks.tasks``. A classifier of MiniLM's shape gets a text of 32 tokens, one
of ResNet50's a JPEG of 224 by 224 pixels; weights are random. The task's figure begins with the
body of a call and ends with that of its reply. Rounds alternate, medians are printed.
"""

import io
import json
import tempfile
from pathlib import Path

import numpy as np
import onnx
import sklearn
from onnx import ModelProto, TensorProto, helper, numpy_helper
from PIL import Image
from rich.console import Console
from rich.table import Table
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from benchmarks.graphs import encoder, resnet50
from benchmarks.infer import time_interleaved
from serval.bundles.onnx_signature import read_signature
from serval.inference.runtimes import Model
from serval.inference.runtimes.onnx import graph_opening
from serval.inference.version_task import open_version_task
from serval.models.tensor import DATATYPES, Tensor
from serval.models.version import BundleFile, ModelVersion
from serval.tasks.call import answer_payload, write_answers
from serval.tasks.payload import read_payload
from serval.tasks.task import Task

MEMORY_MIB = 1769
TOKENS = 32
REQUIRED = 1.15
PREPROCESSOR = {
    "image_processor_type": "ViTImageProcessor",
    "do_resize": True,
    "size": {"height": 224, "width": 224},
    "resample": 2,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
}


def classifier(layers: int = 6, width: int = 384) -> ModelProto:
    """Build an encoder, by default of MiniLM's shape, with three classes over the first token."""
    model = encoder(layers=layers, width=width)
    graph = model.graph
    hidden = graph.output[0].name
    head = np.random.default_rng(0).standard_normal((width, 3)).astype(np.float32)
    graph.initializer.append(numpy_helper.from_array(np.array(0), "first"))
    graph.initializer.append(numpy_helper.from_array(head, "head"))
    graph.node.append(helper.make_node("Gather", [hidden, "first"], ["pooled"], axis=1))
    graph.node.append(helper.make_node("MatMul", ["pooled", "head"], ["logits"]))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3]))
    for node in graph.node:
        for index, name in enumerate(node.input):
            if name == "ids":
                node.input[index] = "input_ids"
    graph.input[0].name = "input_ids"
    return model


def prose() -> list[str]:
    """Return the lines of scikit-learn's descriptions of its data sets."""
    folder = Path(sklearn.__file__).parent / "datasets" / "descr"
    texts = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.rst"))]
    return "".join(texts).splitlines()


def tokenizer() -> Tokenizer:
    """Train BERT's kind of tokenizer on the prose that scikit-learn ships."""
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    trainer = trainers.WordPieceTrainer(
        vocab_size=8000, special_tokens=special, show_progress=False
    )
    made.train_from_iterator(prose(), trainer)
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return made


def sentence(made: Tokenizer) -> str:
    """Return a text of as many tokens as are timed."""
    words = [word for word in " ".join(prose()).split() if word.isalpha()]
    for count in range(1, len(words)):
        text = " ".join(words[:count])
        if len(made.encode(text)) == TOKENS:
            return text
    raise AssertionError("the prose is too short")


def picture() -> bytes:
    """Return a JPEG of 224 by 224 pixels with something in it."""
    noise = np.random.default_rng(0).integers(0, 255, (28, 28, 3), np.uint8)
    target = io.BytesIO()
    Image.fromarray(noise).resize((224, 224), Image.Resampling.BICUBIC).save(target, "JPEG")
    return target.getvalue()


def open_task(folder: Path, model: ModelProto, task: str) -> tuple[Model, Task, ModelVersion]:
    """Write a graph beside its files, and open both as a version does."""
    onnx.save(model, folder / "model.onnx")
    record = ModelVersion(
        model="m",
        version="1",
        digest="",
        created="",
        artifact="model.onnx",
        artifact_files=("model.onnx",),
        files=(BundleFile("model.onnx", "", 0),),
        signature=read_signature(model),
        bundle={"task": {"name": task}},
    )
    open_graph = graph_opening(MEMORY_MIB)
    loaded = open_graph(record, folder / "model.onnx", None)
    opened = open_version_task(record, folder, loaded, open_graph)
    return loaded, opened, record


def ratio(folder: Path, model: ModelProto, task: str, body: bytes, shape: list[int]) -> list[float]:
    """Return the seconds of the bare run, of the task, and their ratio."""
    loaded, opened, record = open_task(folder, model, task)
    [spec] = record.signature.inputs
    ready = Tensor(spec.name, spec.datatype, np.ones(shape, DATATYPES[spec.datatype]))

    def answer() -> None:
        payload = read_payload(body, "", opened)
        write_answers(opened, payload, answer_payload(opened, payload))

    found = time_interleaved(
        {
            "bare": lambda: loaded.run([ready], record.signature.outputs),
            "task": answer,
        }
    )
    return [found["bare"], found["task"], found["task"] / found["bare"]]


def measure(folder: Path) -> dict[str, list[float]]:
    """Measure both models."""
    text, image = folder / "text", folder / "image"
    text.mkdir()
    image.mkdir()
    made = tokenizer()
    made.save(str(text / "tokenizer.json"))
    (text / "config.json").write_text('{"id2label": {"0": "a", "1": "b", "2": "c"}}')
    (image / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    body = json.dumps({"inputs": sentence(made), "parameters": {}}).encode()
    tokens, pixels = [1, TOKENS], [1, 3, 224, 224]
    return {
        "MiniLM's shape, 32 tokens": ratio(text, classifier(), "text-classification", body, tokens),
        "ResNet50's shape, JPEG": ratio(
            image, resnet50(), "image-classification", picture(), pixels
        ),
    }


def main() -> None:
    """Print the table."""
    table = Table("model", "bare run, ms", "task, ms", "ratio", f"at most {REQUIRED}")
    with tempfile.TemporaryDirectory() as folder:
        for name, (bare, task, times) in measure(Path(folder)).items():
            verdict = "yes" if times <= REQUIRED else "no"
            table.add_row(name, f"{bare * 1e3:.2f}", f"{task * 1e3:.2f}", f"{times:.3f}", verdict)
    Console().print(table)


if __name__ == "__main__":
    main()
