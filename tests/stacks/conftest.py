"""Stages synthesised once for all tests, from empty layers, without an account.

``prod`` and ``laptop`` have light models alone, ``scheduled`` one that runs by the clock;
``heavy`` and ``heavy_laptop`` have a fleet of every sort; ``default`` is what the repository itself
deploys.
"""

from collections.abc import Mapping
from pathlib import Path

import pytest

from stacks.stage.layers import NAMES as LAYERS
from tests.stacks.synthesis import ROOT, Sources, Synthesised, synthesise

LIGHT = {"light": "name: light\n", "heavier": "name: heavier\ncompute: {memory_mib: 3538}\n"}
SERVED = """
runtime: {kind: http, server: triton, port: 8100}
signature:
  inputs: [{name: x, datatype: FP32, shape: [-1]}]
  outputs: [{name: y, datatype: FP32, shape: [-1]}]
"""
SCHEDULED = """name: watched
schedules:
  - name: nightly
    cron: "0 3 * * ? *"
    input: s3://rows/{date}/
    output: s3://answers/{date}/
    options: {concurrency: 3}
retrain:
  - {name: monthly, cron: "0 4 1 * ? *"}
"""
COMPILED = SERVED.replace("triton, port: 8100", "neuron, protocol: openai, port: 8000")


def on(name: str, fleet: str, more: str = "") -> str:
    return f"name: {name}\ncompute: {{target: fleet, fleet: {fleet}}}\n{more}"


HEAVY = LIGHT | {
    "seen": on("seen", "gpu"),
    "heard": on("heard", "gpu"),
    "told": on("told", "served", SERVED),
    "drawn": on("drawn", "inferentia", COMPILED),
    "sorted": on("sorted", "plain"),
    "meant": on("meant", "managed"),
}
FLEETS = """
fleets:
  - {name: gpu, accelerator: nvidia, instance_types: [g6.xlarge, g5.xlarge], maximum: 4}
  - {name: served, accelerator: nvidia, instance_types: [g6e.xlarge], disk_gib: 500}
  - {name: inferentia, accelerator: neuron, instance_types: [inf2.xlarge], maximum: 2}
  - {name: plain, instance_types: [c7i.2xlarge, m7i.2xlarge]}
  - name: managed
    kind: sagemaker
    accelerator: nvidia
    instance_types: [ml.g5.xlarge]
    maximum: 3
    idle_seconds: 600
  - {name: unused, instance_types: [c7i.xlarge]}
"""


@pytest.fixture(scope="session")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("layers")
    for variant in ("aws", "local"):
        for name in LAYERS:
            python = folder / variant / name / "python"
            python.mkdir(parents=True)
            (python / f"{name}.py").write_text(f"VARIANT = {variant!r}\n")
    return folder


def declare(folder: Path, models: Mapping[str, str]) -> Path:
    for model, text in models.items():
        (folder / model).mkdir()
        (folder / model / "model.yaml").write_text(text)
    return folder


@pytest.fixture(scope="session")
def sources(layers: Path, tmp_path_factory: pytest.TempPathFactory) -> Sources:
    return Sources(layers, declare(tmp_path_factory.mktemp("light"), LIGHT))


@pytest.fixture(scope="session")
def heavy_sources(layers: Path, tmp_path_factory: pytest.TempPathFactory) -> Sources:
    fleets = tmp_path_factory.mktemp("fleets") / "fleets.yaml"
    fleets.write_text(FLEETS)
    return Sources(layers, declare(tmp_path_factory.mktemp("heavy"), HEAVY), fleets)


@pytest.fixture(scope="session")
def prod(sources: Sources, tmp_path_factory: pytest.TempPathFactory) -> Synthesised:
    return synthesise(sources, tmp_path_factory.mktemp("prod"))


@pytest.fixture(scope="session")
def laptop(sources: Sources, tmp_path_factory: pytest.TempPathFactory) -> Synthesised:
    return synthesise(sources, tmp_path_factory.mktemp("local"), stage="local")


@pytest.fixture(scope="session")
def scheduled(layers: Path, tmp_path_factory: pytest.TempPathFactory) -> Synthesised:
    models = declare(tmp_path_factory.mktemp("watched"), {"watched": SCHEDULED})
    return synthesise(Sources(layers, models), tmp_path_factory.mktemp("scheduled"))


@pytest.fixture(scope="session")
def heavy(heavy_sources: Sources, tmp_path_factory: pytest.TempPathFactory) -> Synthesised:
    return synthesise(heavy_sources, tmp_path_factory.mktemp("heavy-prod"))


@pytest.fixture(scope="session")
def heavy_laptop(heavy_sources: Sources, tmp_path_factory: pytest.TempPathFactory) -> Synthesised:
    return synthesise(heavy_sources, tmp_path_factory.mktemp("heavy-local"), stage="local")


@pytest.fixture(scope="session")
def default(layers: Path, tmp_path_factory: pytest.TempPathFactory) -> Synthesised:
    sources = Sources(layers, ROOT / "models", ROOT / "fleets.yaml")
    return synthesise(sources, tmp_path_factory.mktemp("default"))
