"""Measure a shard of a model with a task against a bare loop over the same libraries.

Run as ``python -m benchmarks.task_shard``. 100,000 sentences are a column of a CSV, 1,000 JPEGs are
objects; weights are random. The loop reads everything at once, prepares, runs and writes batches
of the same size with polars, tokenizers, Pillow and ONNX Runtime. Both write labels as JSONL and
run on one thread each; rounds alternate.
"""

import io
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import polars as pl
from onnx import ModelProto, TensorProto
from PIL import Image
from rich.console import Console
from rich.table import Table
from tokenizers import Tokenizer

from benchmarks.shard_process import FileSink, pieces
from benchmarks.tasks import MEMORY_MIB, PREPROCESSOR, classifier, open_task, prose, tokenizer
from models.onnx_graph import Graph
from serval.batch.input.columns import InputColumns
from serval.batch.input.csv.records import CsvRecords
from serval.batch.input.objects import ObjectRecords
from serval.batch.input.records import Block, Records, whole_records
from serval.batch.job.keys import Source
from serval.batch.shard.answers import TaskModel
from serval.batch.shard.engine import ShardEngine
from serval.batch.shard.outputs import PartFormat
from serval.inference.loaded import Loaded
from serval.inference.runtimes.onnx import session_options
from serval.models.tensor import Array

SENTENCES, PICTURES = 100_000, 1_000
BATCH, AT_ONCE, ROUNDS = 32, 8, 3
LEAST_SHARE = 0.7
LABELS = ("a", "b", "c")


def convolutional() -> ModelProto:
    """Build a small image classifier of three classes."""
    graph = Graph(0)
    x = graph.node("Conv", "pixels", graph.weight(32, 3, 7, 7), strides=[4, 4])
    x = graph.node("Flatten", graph.node("GlobalAveragePool", graph.node("Relu", x)))
    x = graph.node("Gemm", x, graph.weight(3, 32), graph.weight(3), transB=1)
    return graph.model(
        "pictures",
        [("pixels", TensorProto.FLOAT, ["batch", 3, 224, 224])],
        [(x, ("logits", TensorProto.FLOAT, ["batch", 3]))],
    )


def write_sentences(path: Path) -> None:
    """Write a CSV with texts of about 20 words."""
    words = [word for word in " ".join(prose()).split() if word.isalpha()]
    with path.open("w") as file:
        file.write("id,text\n")
        for row in range(SENTENCES):
            start = row * 7 % (len(words) - 20)
            file.write(f"{row},{' '.join(words[start : start + 20])}\n")


def write_pictures(folder: Path) -> list[Path]:
    """Write JPEGs of 500 by 375 pixels."""
    folder.mkdir()
    random = np.random.default_rng(0)
    paths = [folder / f"{number:04}.jpg" for number in range(PICTURES)]
    for path in paths:
        noise = random.integers(0, 255, (25, 33, 3), np.uint8)
        Image.fromarray(noise).resize((500, 375), Image.Resampling.BICUBIC).save(path, "JPEG")
    return paths


def write_answers(logits: Sequence[Array], path: Path) -> int:
    """Write labels with their scores, the best first."""
    rows = np.concatenate(logits)
    scores = np.exp(rows - rows.max(1, keepdims=True))
    scores /= scores.sum(1, keepdims=True)
    with path.open("w") as file:
        for row in scores:
            best = [{"label": LABELS[i], "score": float(row[i])} for i in np.argsort(-row)]
            file.write(json.dumps({"answers": best}) + "\n")
    return len(rows)


def session_of(folder: Path) -> Callable[[Array], Array]:
    """Open the graph as the shard does, and return its run."""
    session = onnxruntime.InferenceSession(
        str(folder / "model.onnx"), session_options(MEMORY_MIB), providers=["CPUExecutionProvider"]
    )
    [own] = session.get_inputs()

    def run(array: Array) -> Array:
        logits: Array = session.run(None, {own.name: array})[0]
        return logits

    return run


def loop_over_sentences(folder: Path, source: Path) -> int:
    """Answer the texts in a bare loop."""
    run, made = session_of(folder), Tokenizer.from_file(str(folder / "tokenizer.json"))
    texts = pl.read_csv(source)["text"].to_list()
    found = []
    for start in range(0, len(texts), BATCH):
        encodings = made.encode_batch(texts[start : start + BATCH])
        ids = np.zeros((len(encodings), max(map(len, encodings))), np.int64)
        for row, encoding in enumerate(encodings):
            ids[row, : len(encoding)] = encoding.ids
        found.append(run(ids))
    return write_answers(found, folder / "loop.jsonl")


def loop_over_pictures(folder: Path, paths: Sequence[Path]) -> int:
    """Answer the images in a bare loop."""
    run, found = session_of(folder), []
    mean, std = (np.array(PREPROCESSOR[key], np.float32) for key in ("image_mean", "image_std"))
    for start in range(0, len(paths), BATCH):
        rows = []
        for path in paths[start : start + BATCH]:
            image = Image.open(io.BytesIO(path.read_bytes())).convert("RGB")
            pixels = np.asarray(image.resize((224, 224), Image.Resampling.BILINEAR), np.float32)
            rows.append(((pixels / 255 - mean) / std).transpose(2, 0, 1))
        found.append(run(np.stack(rows)))
    return write_answers(found, folder / "loop.jsonl")


def engine_of(folder: Path, model: ModelProto, task: str, records: Records | None) -> ShardEngine:
    """Make the engine of a shard over a model's task."""
    graph, opened, record = open_task(folder, model, task)
    loaded = Loaded(record, graph, {}, {}, 0.0, task=opened)
    [spec] = record.batch_signature.inputs
    outputs = record.batch_signature.outputs
    return ShardEngine(
        records=records or CsvRecords(("id", "text"), [InputColumns(spec, ("text",))]),
        model=TaskModel(loaded),
        outputs=outputs,
        batch_rows=BATCH,
        part=PartFormat("jsonl", outputs, as_json=True),
        clock=time.perf_counter,
    )


def run_engine(engine: ShardEngine, blocks: Iterator[Block], folder: Path) -> int:
    """Run a shard, and return the number of rows that were answered."""
    sinks = FileSink(folder / "shard.jsonl"), FileSink(folder / "errors.jsonl")
    return engine.run(blocks, *sinks, header=False).counts.rows


def text_blocks(source: Path) -> Iterator[Block]:
    """Yield whole records of the CSV, without its header."""
    read = pieces(source)
    first = next(read)
    begin = first.index(b"\n") + 1
    rest = (piece for each in ([first[begin:]], read) for piece in each)
    return iter(whole_records(rest, begin, 0, quoted=True))


def object_blocks(paths: Sequence[Path]) -> Iterator[Block]:
    """Yield blocks of lines that name the images."""
    sources = [Source("b", str(path), path.stat().st_size, "").to_json() for path in paths]
    lines = [json.dumps(source).encode() + b"\n" for source in sources]
    for start in range(0, len(lines), 4 * BATCH):
        yield Block(b"".join(lines[start : start + 4 * BATCH]), 0, start)


def compare(name: str, works: dict[str, Callable[[], int]], rows: int) -> list[Any]:
    """Return a row of the table: rates and the share."""
    rates: dict[str, list[float]] = {kind: [] for kind in works}
    for _ in range(ROUNDS):
        for kind, work in works.items():
            started = time.perf_counter()
            answered = work()
            rates[kind].append(answered / (time.perf_counter() - started))
            if answered != rows:
                raise SystemExit(f"{name}: {answered} of {rows} rows were answered by the {kind}")
    loop, shard = (statistics.median(rates[kind]) for kind in ("loop", "shard"))
    return [name, loop, shard, shard / loop]


def sentences(folder: Path) -> list[Any]:
    """Compare over the column of text."""
    source = folder / "rows.csv"
    write_sentences(source)
    tokenizer().save(str(folder / "tokenizer.json"))
    config = {"id2label": dict(enumerate(LABELS))}
    (folder / "config.json").write_text(json.dumps(config))
    engine = engine_of(folder, classifier(layers=1, width=48), "text-classification", None)
    works = {
        "loop": lambda: loop_over_sentences(folder, source),
        "shard": lambda: run_engine(engine, text_blocks(source), folder),
    }
    return compare("sentences", works, SENTENCES)


def pictures(folder: Path) -> list[Any]:
    """Compare over the JPEGs."""
    paths = write_pictures(folder / "pictures")
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    config = {"id2label": dict(enumerate(LABELS))}
    (folder / "config.json").write_text(json.dumps(config))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        model, task = convolutional(), "image-classification"
        spec = open_task(folder, model, task)[2].batch_signature.inputs[0]
        records = ObjectRecords(spec, lambda one: Path(one.key).read_bytes(), pool)
        engine = engine_of(folder, model, task, records)
        works = {
            "loop": lambda: loop_over_pictures(folder, paths),
            "shard": lambda: run_engine(engine, object_blocks(paths), folder),
        }
        return compare("JPEGs", works, PICTURES)


def main() -> None:
    """Print the table; fail if a shard is too slow."""
    table = Table("input", "loop, rows/s", "shard, rows/s", "share")
    slow = []
    for work in (sentences, pictures):
        with tempfile.TemporaryDirectory() as folder:
            name, loop, shard, share = work(Path(folder))
        table.add_row(name, f"{loop:,.0f}", f"{shard:,.0f}", f"{share:.2f}")
        slow += [f"{name}: {share:.2f} of the loop"] if share < LEAST_SHARE else []
    Console().print(table)
    if slow:
        raise SystemExit("; ".join(slow))


if __name__ == "__main__":
    main()
