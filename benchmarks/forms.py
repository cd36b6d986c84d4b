"""Measure how long a model takes to open: as published, portable, and laid out for this CPU.

Run as ``python -m benchmarks.forms``. Every opening is a fresh process that runs the model once;
rounds alternate between the forms, medians are printed. The page cache is warm.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import onnx
from rich.console import Console
from rich.table import Table

from benchmarks.graphs import encoder, resnet50
from benchmarks.opening import MEMORY_MIB, PUBLISHED
from serval.bundles.onnx_signature import read_signature
from serval.bundles.verification.files import sha256_of
from serval.inference.cpu import cpu_class
from serval.models.version import BundleFile, Form, ModelVersion
from serval.rollouts.forms.forms import PORTABLE, make_forms
from serval.rollouts.golden.candidate import Candidate

ROUNDS = 9
Figures = dict[str, float]
LAID_OUT = "laid out"
REQUIRED = {PORTABLE: 1.5, LAID_OUT: 5.0}
"""Required speed-up over the published form when opening the ResNet50-shaped graph."""
COLUMNS = ("model", "form", "open, ms", "faster", "run, ms", "peak, MB", "/ size")
SAME = "portable"
MODELS: dict[str, Callable[[], onnx.ModelProto]] = {
    "ResNet50": resnet50,
    "MiniLM": encoder,
    "BERT-base": partial(encoder, layers=12, width=768),
}
"""Shapes of well-known models, with random weights."""


def candidate_of(model: onnx.ModelProto, folder: Path) -> Candidate:
    """Write a bundle that consists of a graph."""
    onnx.save(model, folder / PUBLISHED)
    size = (folder / PUBLISHED).stat().st_size
    record = ModelVersion(
        model="m",
        version="1",
        digest="",
        created="",
        artifact=PUBLISHED,
        artifact_files=(PUBLISHED,),
        files=(BundleFile(PUBLISHED, sha256_of(folder / PUBLISHED), size),),
        signature=read_signature(model),
    )
    return Candidate(record, {})


def time_opening(folder: Path, form: Form | None, signature: str) -> Figures:
    """Open a form in a process of its own."""
    described = json.dumps(form.to_json() if form else None)
    command = [sys.executable, "-m", "benchmarks.opening", str(folder), described, signature]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(run.stdout))


def measure_forms(model: onnx.ModelProto, folder: Path) -> dict[str, Figures]:
    """Return the medians of each form, by its kind, and the size of its files."""
    candidate = candidate_of(model, folder)
    signature = json.dumps(candidate.record.signature.to_json())
    made = make_forms(candidate, folder, cpu_class(), MEMORY_MIB)
    forms: dict[str, Form | None] = {"published": None}
    forms |= {LAID_OUT if form.cpu_class else PORTABLE: form for form in made.forms}
    samples: dict[str, list[Figures]] = {kind: [] for kind in forms}
    for _ in range(ROUNDS):
        for kind, form in forms.items():
            samples[kind].append(time_opening(folder, form, signature))
    medians = {
        kind: {name: statistics.median(figures[name] for figures in taken) for name in taken[0]}
        for kind, taken in samples.items()
    }
    for kind, form in forms.items():
        medians[kind]["size_bytes"] = (form or candidate.record.files[0]).size_bytes
    return medians


def add_rows(table: Table, title: str, medians: dict[str, Figures]) -> None:
    """Add a model's forms to the table."""
    for kind in ("published", PORTABLE, LAID_OUT):
        if kind not in medians:
            table.add_row(title, kind, SAME, *[""] * 4)
            continue
        figures = medians[kind]
        table.add_row(
            title,
            kind,
            f"{figures['open_ms']:.0f}",
            f"{medians['published']['open_ms'] / figures['open_ms']:.1f}x",
            f"{figures['run_ms']:.0f}",
            f"{figures['peak_bytes'] / 1e6:.0f}",
            f"{figures['peak_bytes'] / figures['size_bytes']:.2f}",
        )


def slow_forms(medians: dict[str, Figures]) -> list[str]:
    """Name the forms that are not fast enough."""
    published = medians["published"]["open_ms"]
    faster = {kind: published / figures["open_ms"] for kind, figures in medians.items()}
    return [
        f"{kind}: {faster[kind]:.1f}x, at least {least}x required"
        for kind, least in REQUIRED.items()
        if faster.get(kind, least) < least
    ]


def main() -> None:
    """Print the table; fail if a form is not fast enough."""
    table = Table(title=f"opening a model in a fresh process; CPU class {cpu_class()}")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in {"model", "form"} else "right")
    slow: list[str] = []
    for title, build in MODELS.items():
        with tempfile.TemporaryDirectory() as folder:
            medians = measure_forms(build(), Path(folder))
        add_rows(table, title, medians)
        if title == "ResNet50":
            slow = slow_forms(medians)
    Console().print(table)
    if slow:
        raise SystemExit("; ".join(slow))


if __name__ == "__main__":
    main()
