"""Opening: each version in the runtime that its bundle names, from the form that fits it."""

import tarfile
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serval.errors import ArtifactUnavailable
from serval.inference.loaded import Limits, LoadedVersions
from serval.inference.runtimes import Model
from serval.inference.runtimes.http_completions import Completions
from serval.inference.runtimes.http_v2 import ServedModel
from serval.inference.runtimes.onnx import CPU, CUDA, Execution, OnnxModel
from serval.models.signature import Signature, TensorSpec
from serval.models.tensor import Tensor
from serval.models.version import BundleFile, Form, ModelVersion
from serval.worker.program.candidate_check import CandidateCheck
from serval.worker.program.open_version import OpenVersion
from serval.worker.program.server_folder import ServerFolder
from serval.worker.program.servers import Servers
from tests.fakes.http_servers import V2, CompletionsServer, running
from tests.fakes.inference import plus
from tests.fakes.worker import TWO_COLUMNS, Registry

PROMPTS = Signature((TensorSpec("prompt", "BYTES", (-1,)),), (TensorSpec("text", "BYTES", (-1,)),))
ONE_THREAD = Execution(1)
FORM = Form("portable", None, "optimised/model.onnx", (BundleFile("x", "0" * 64, 1),))


@pytest.fixture
def registry() -> Registry:
    made = Registry()
    made.publish("adder", "1", plus(1), TWO_COLUMNS)
    return made


def no_server(record: ModelVersion) -> Model:
    raise AssertionError(f"{record.model} runs on no server")


def declared(registry: Registry, port: int, sign: Signature, **runtime: Any) -> None:
    """Publish a version that a server runs, with an archive that is no graph."""
    registry.publish("served", "1", b"an archive", sign)
    section = {"kind": "http", "protocol": "v2", "port": port, "server": None, "model": None}
    registry.records["served", "1"] = replace(
        registry.records["served", "1"], runtime="http", bundle={"runtime": section | runtime}
    )


def opened(
    registry: Registry, folder: Path, server_folder: ServerFolder | None = None
) -> LoadedVersions:
    check = CandidateCheck(registry).check
    servers = Servers(registry.route, registry, check, server_folder, ready_seconds=0.2)
    opening = OpenVersion(registry.version, ONE_THREAD, servers.open)
    return LoadedVersions(
        opening.find, registry, opening.open, folder / "loaded", Limits(2**20, 2**20)
    )


def test_a_graph_runs_in_onnx_runtime(registry: Registry, tmp_path: Path) -> None:
    loaded = opened(registry, tmp_path).get("adder", "1")
    assert isinstance(loaded.model, OnnxModel)
    x = Tensor("x", "FP32", np.zeros((1, 2), np.float32))
    [answer] = loaded.model.run([x], list(loaded.outputs.values()))
    assert answer.array.tolist() == [[1, 1]]


def test_forms_are_for_processors(registry: Registry) -> None:
    record = replace(registry.records["adder", "1"], forms=(FORM,))
    registry.records["adder", "1"] = record
    on_cpu = OpenVersion(registry.version, Execution(1, (CPU,)), no_server)
    on_cuda = OpenVersion(registry.version, Execution(1, (CUDA, CPU)), no_server)
    assert on_cpu.find("adder", "1").forms == (FORM,)
    assert on_cuda.find("adder", "1").forms == ()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[int]:
    v2 = V2(tmp_path / "server")
    v2.registry.publish("theirs", "1", plus(1), TWO_COLUMNS)
    with v2.serving() as port:
        yield port


def test_a_version_that_a_server_runs_takes_no_memory_here(
    registry: Registry, tmp_path: Path, server: int
) -> None:
    declared(registry, server, TWO_COLUMNS, model="theirs")
    loaded = opened(registry, tmp_path).get("served", "1")
    assert isinstance(loaded.model, ServedModel)
    assert loaded.record.artifact_bytes == 0
    assert "artifact" not in registry.reads


def test_a_servers_artifact_is_left_for_it_once(
    registry: Registry, tmp_path: Path, server: int
) -> None:
    declared(registry, server, TWO_COLUMNS, model="theirs")
    folder = tmp_path / "for the server"
    for _ in range(2):
        opened(registry, tmp_path, ServerFolder(folder, 2**20)).get("served", "1")
    assert (folder / "served-1" / "1" / "model.onnx").read_bytes() == b"an archive"
    assert registry.reads.count("artifact") == 1


def test_a_servers_archive_is_left_unpacked(
    registry: Registry, tmp_path: Path, server: int
) -> None:
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("weights/model.neuron")
        member.size = 4
        archive.addfile(member, BytesIO(b"neff"))
    declared(registry, server, TWO_COLUMNS, model="theirs")
    registry.artifacts["served", "1"] = packed.getvalue()
    record = registry.records["served", "1"]
    registry.records["served", "1"] = replace(
        record,
        artifact_files=("model.tar.gz",),
        files=(BundleFile("model.tar.gz", "0" * 64, 9),),
    )
    opened(registry, tmp_path, ServerFolder(tmp_path / "models", 2**20)).get("served", "1")
    left = tmp_path / "models" / "served-1" / "1"
    assert (left / "weights" / "model.neuron").read_bytes() == b"neff"
    assert not (left / "model.tar.gz").exists()


def test_a_server_of_completions_is_spoken_to_in_its_words(
    registry: Registry, tmp_path: Path
) -> None:
    with running(CompletionsServer(model="served").app()) as port:
        declared(registry, port, PROMPTS, protocol="openai")
        loaded = opened(registry, tmp_path).get("served", "1")
    assert isinstance(loaded.model, Completions)


def test_a_server_that_is_not_there_is_said_for_the_version(
    registry: Registry, tmp_path: Path
) -> None:
    declared(registry, 1, TWO_COLUMNS)
    message = "model 'served' version '1' cannot be loaded: the inference server on 127.0.0.1:1 is"
    with pytest.raises(ArtifactUnavailable, match=message):
        opened(registry, tmp_path).get("served", "1")
