"""``serval versions`` and ``serval diff``: what versions are, and how two of them differ."""

from dataclasses import replace
from typing import Any

import pytest

from serval.models.signature import Signature, TensorSpec
from serval.models.version import BundleFile, Form
from serval.rollouts.policy.decide import Promote
from tests.fakes.command_line import YESTERDAY, CommandLine
from tests.fakes.rollouts import MODEL, RollingModel

MEASURED = {"largest_difference": 1e-6, "p50_ms": 2.0, "p95_ms": 4.0, "peak_memory_mib": 100.0}


@pytest.fixture
def model() -> RollingModel:
    """Build a model with a version of every kind."""
    made = RollingModel(now=YESTERDAY)
    made.roll_out("a")
    made.control.apply(made.roll_out("b"), Promote("no harm"))
    made.control.abort(made.roll_out("c"), "errors")
    made.roll_out("d")
    made.verified("e")
    return made


@pytest.fixture
def user(
    model: RollingModel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    """Build a user at a terminal."""
    return CommandLine(monkeypatch, capsys, model)


def change(model: RollingModel, version: str, **changes: Any) -> None:
    """Change a version's record, as if it had been registered so."""
    record = model.registry.records[MODEL, version]
    model.registry.records[MODEL, version] = replace(record, **changes)


def test_versions_say_what_they_are(user: CommandLine) -> None:
    listed = user.serval("versions", MODEL, "--json").value["versions"]
    assert [(version["version"], version["status"]) for version in listed] == [
        ("1", "was stable"),
        ("2", "stable"),
        ("3", "rolled back"),
        ("4", "candidate 10 %"),
        ("5", "registered"),
    ]


def test_versions_have_their_sizes_forms_and_figures(
    user: CommandLine, model: RollingModel
) -> None:
    graph = BundleFile("model.onnx", "0" * 64, 2300)
    form = Form("portable", None, "optimised/u/model.onnx", (replace(graph, size_bytes=2000),))
    change(
        model,
        "2",
        artifact_files=("model.onnx",),
        files=(graph, BundleFile("README.md", "0" * 64, 10)),
        forms=(form,),
        measurements=MEASURED,
    )
    version = user.serval("versions", MODEL, "--json").value["versions"][1]
    assert (version["artifact_bytes"], version["bundle_bytes"]) == (2300, 2310)
    assert version["forms"] == [{"name": "portable", "cpu_class": None, "size_bytes": 2000}]
    assert version["golden"] == MEASURED
    out = user.serval("versions", MODEL).out
    for said in ("2,300 B", "portable", "4 ms", "100 MiB"):
        assert said in out


def test_a_first_version_that_is_not_promoted_yet_is_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = RollingModel(now=YESTERDAY)
    model.verified("a")
    listed = CommandLine(monkeypatch, capsys, model).serval("versions", MODEL, "--json").value
    assert listed["versions"][0]["status"] == "registered"
    assert listed["versions"][0]["golden"] is None


def test_a_difference_shows_what_callers_and_the_bill_would_notice(
    user: CommandLine, model: RollingModel
) -> None:
    change(model, "1", measurements=MEASURED, bundle={"compute": {"memory_mib": 1024}})
    change(
        model,
        "2",
        signature=Signature((TensorSpec("x", "FP32", (-1, 4)),), ()),
        measurements=MEASURED | {"p95_ms": 6.0},
        bundle={"compute": {"memory_mib": 2048}, "description": "Flowers"},
    )
    value = user.serval("diff", MODEL, "1", "2", "--json").value
    assert value["compute"] == [
        {"name": "compute.memory_mib", "old": 1024, "new": 2048, "ratio": 2.0}
    ]
    assert value["signature"] == ["input 'x' is new (FP32 [-1, 4])"]
    out = user.serval("diff", MODEL, "1", "2").out
    for said in ("iris: version 1 → version 2", "input 'x' is new", "2,048", "1.5 times", "p95_ms"):
        assert said in out


def test_a_version_is_the_same_as_itself(user: CommandLine) -> None:
    out = user.serval("diff", MODEL, "1", "1").out
    assert "the same bytes" in out
    assert "signature: the same\nfiles: the same\ncompute: the same" in out
