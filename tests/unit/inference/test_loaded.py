"""Loaded versions: which form is opened, what it is held to take, and what happens if it cannot."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from serval.errors import ArtifactUnavailable, ModelTooLarge
from serval.inference.loaded import Limits, LoadedVersions
from serval.inference.runtimes import ArtifactUnreadable
from serval.models.signature import TensorSpec
from serval.models.tensor import Tensor
from serval.models.version import BundleFile, Form, ModelVersion
from serval.tasks.catalogue import TASKS
from tests.fakes.inference import signature, version_record

MB = 10**6


def form(name: str, cpu_class: str | None, size: int = 2 * MB) -> Form:
    folder = f"optimised/{name}"
    files = (
        BundleFile(f"{folder}/model.onnx", "a" * 64, 1000),
        BundleFile(f"{folder}/model.onnx.data", "b" * 64, size - 1000),
    )
    return Form(name, cpu_class, f"{folder}/model.onnx", files)


PORTABLE, WIDE = form("portable", None), form("wide", "wide-cpu")


class Opened:
    """A model that nobody runs."""

    def run(self, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> list[Tensor]:
        raise AssertionError("nobody runs it")


@dataclass
class Environment:
    """What one environment fetches, opens and logs; ``fails`` says what goes wrong with a path."""

    folder: Path
    forms: tuple[Form, ...] = (PORTABLE, WIDE)
    cpu_class: str = "wide-cpu"
    limits: Limits = field(default_factory=lambda: Limits(100 * MB, 100 * MB))
    bundle: Mapping[str, Any] = field(default_factory=dict)
    fails: dict[str, Exception] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)
    opened: list[tuple[str, Form | None]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    def versions(self) -> LoadedVersions:
        return LoadedVersions(
            find=self.find,
            store=self,
            open_model=self.open,
            folder=self.folder,
            limits=self.limits,
            cpu_class=self.cpu_class,
            log=self.log.append,
        )

    def find(self, model: str, version: str) -> ModelVersion:
        record = version_record(model, version, b"", signature("FP32", [-1, 2]))
        files = (BundleFile("model.onnx", "c" * 64, 2 * MB),)
        return replace(record, files=files, forms=self.forms, bundle=self.bundle)

    def fetch(self, record: ModelVersion, path: str, destination: Path) -> None:
        self.fetched.append(path)
        if path in self.fails:
            raise self.fails[path]
        destination.write_text(record.file(path).sha256)

    def open(self, record: ModelVersion, path: Path, form: Form | None) -> Opened:
        name = "/".join(path.relative_to(self.folder).parts[2:])
        self.opened.append((name, form))
        if isinstance(failure := self.fails.get(f"open {name}"), Exception):
            raise failure
        return Opened()


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(tmp_path)


def test_the_form_laid_out_for_this_cpu_is_loaded(environment: Environment) -> None:
    assert environment.versions().get("m", "1").form is WIDE
    assert environment.fetched == [file.path for file in WIDE.files]
    assert environment.opened == [(WIDE.artifact, WIDE)]


@pytest.mark.parametrize("cpu_class", ["narrow-cpu", ""])
def test_any_other_cpu_loads_the_portable_form(environment: Environment, cpu_class: str) -> None:
    environment.cpu_class = cpu_class
    assert environment.versions().get("m", "1").form is PORTABLE
    assert environment.opened == [(PORTABLE.artifact, PORTABLE)]


def test_a_version_without_a_form_that_fits_is_loaded_as_published(
    environment: Environment,
) -> None:
    environment.forms, environment.cpu_class = (WIDE,), "narrow-cpu"
    assert environment.versions().get("m", "1").form is None
    assert environment.opened == [("model.onnx", None)]


def test_a_form_that_does_not_open_is_replaced_by_the_published_artifact(
    environment: Environment,
) -> None:
    environment.fails[f"open {WIDE.artifact}"] = ArtifactUnreadable("no such operator")
    versions = environment.versions()
    assert versions.get("m", "1").form is None
    assert versions.get("m", "1").form is None
    [line] = environment.log
    assert json.loads(line) == {
        "level": "WARNING",
        "form": "wide",
        "error": "model 'm' version '1' cannot be loaded: no such operator",
    }
    assert list(environment.folder.glob("m/1")) == []


def test_a_form_that_is_lost_is_replaced_by_the_published_artifact(
    environment: Environment,
) -> None:
    gone = ArtifactUnavailable("m", "1", "404", lost=True)
    environment.fails[WIDE.files[1].path] = gone
    assert environment.versions().get("m", "1").form is None
    assert len(environment.log) == 1


def test_a_store_that_does_not_answer_is_not_asked_for_more(environment: Environment) -> None:
    environment.fails[WIDE.files[0].path] = ArtifactUnavailable("m", "1", "timed out")
    with pytest.raises(ArtifactUnavailable, match="timed out"):
        environment.versions().get("m", "1")
    assert environment.fetched == [WIDE.files[0].path]


def test_a_published_artifact_that_does_not_open_is_unavailable(environment: Environment) -> None:
    environment.forms = ()
    environment.fails["open model.onnx"] = ArtifactUnreadable("not a graph")
    versions = environment.versions()
    with pytest.raises(ArtifactUnavailable, match="not a graph"):
        versions.get("m", "1")
    assert ("m", "1") not in versions


@pytest.mark.parametrize(
    ("cpu_class", "forms", "held"),
    [
        # Of 2 MB each: 2.5 times as published, 2.0 portable, 1.5 laid out.
        ("narrow-cpu", (), 2),
        ("narrow-cpu", (PORTABLE,), 3),
        ("wide-cpu", (PORTABLE, WIDE), 4),
    ],
)
def test_forms_take_less_memory_so_that_more_versions_fit(
    environment: Environment, cpu_class: str, forms: tuple[Form, ...], held: int
) -> None:
    environment.forms, environment.cpu_class = forms, cpu_class
    environment.limits = Limits(memory_bytes=12 * MB, disk_bytes=100 * MB)
    versions = environment.versions()
    for number in "12345":
        versions.get("m", number)
    assert [number for number in "12345" if ("m", number) in versions] == list("12345")[-held:]


def test_room_on_disk_is_what_the_form_takes(environment: Environment) -> None:
    environment.forms = (form("wide", "wide-cpu", size=5 * MB),)
    environment.limits = Limits(memory_bytes=100 * MB, disk_bytes=4 * MB)
    with pytest.raises(ModelTooLarge, match="5000000 of disk"):
        environment.versions().get("m", "1")


def test_the_artifact_in_place_of_a_form_must_fit_too(environment: Environment) -> None:
    environment.limits = Limits(memory_bytes=4 * MB, disk_bytes=100 * MB)
    environment.fails[f"open {WIDE.artifact}"] = ArtifactUnreadable("no such operator")
    with pytest.raises(ModelTooLarge, match="takes about 5000000 bytes of memory"):
        environment.versions().get("m", "1")


def test_a_library_that_a_task_lacks_is_said_for_the_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TASKS, "text-classification", "text.absent:Absent")
    environment = Environment(tmp_path, forms=(), bundle={"task": {"name": "text-classification"}})
    said = "model 'm' version '1' cannot be loaded: task text-classification: No module named"
    with pytest.raises(ArtifactUnavailable, match=said):
        environment.versions().get("m", "1")
