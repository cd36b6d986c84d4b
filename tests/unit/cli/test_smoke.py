"""The smoke test's own promises: a failure is seen, and leaves nothing behind."""

import json
from pathlib import Path

import pytest
import yaml

from serval.tasks.parameters import Parameters
from serval_cli.bundle.task_golden import open_bundle_task
from serval_cli.smoke.bundles import FLEET, SmokeBundles
from serval_cli.smoke.generator import START, TEXT, TOKENS, write_generator
from serval_cli.smoke.report import FlowBroken, Report, await_value
from serval_cli.smoke.streams import read_events


@pytest.fixture
def bundles(tmp_path: Path) -> SmokeBundles:
    source = tmp_path / "iris"
    source.mkdir()
    (source / "model.onnx").write_bytes(b"onnx")
    line = {"request": {}, "response": {"outputs": [{"name": "label", "data": [0]}]}}
    (source / "golden.jsonl").write_text(json.dumps(line) + "\n")
    (source / "model.yaml").write_text("name: iris\ngolden: golden.jsonl\n")
    return SmokeBundles(source, tmp_path / "made" / "models")


def test_a_check_that_fails_is_remembered() -> None:
    report = Report()
    report.expect("two and two", 2 + 2, 4)
    report.expect("two and one", 2 + 1, 4)
    assert (report.checks, report.failures) == (2, ["two and one"])


def test_a_flow_that_breaks_is_a_failure_and_the_next_one_runs() -> None:
    report = Report()
    with report.flow("first"):
        raise FlowBroken("nothing answers")
    with report.flow("second"):
        report.expect("still here", 1, 1)
    assert report.failures == ["first"]


def test_waiting_ends_with_what_was_waited_for() -> None:
    with pytest.raises(FlowBroken, match="not within 0 s: the moon"):
        await_value("the moon", lambda: None, 0)


def test_another_revision_is_another_bundle(bundles: SmokeBundles) -> None:
    first = (bundles.write_light("1") / "model.yaml").read_text()
    assert (bundles.write_light("2") / "model.yaml").read_text() != first


def test_spoilt_golden_requests_expect_another_answer(bundles: SmokeBundles) -> None:
    (line,) = (bundles.write_spoilt() / "golden.jsonl").read_text().splitlines()
    assert json.loads(line)["response"]["outputs"][0]["data"] == [3]


@pytest.mark.parametrize("with_fleet", [True, False])
def test_a_stage_without_the_fleet_declares_no_fleet(
    bundles: SmokeBundles, with_fleet: bool
) -> None:
    bundles.write(with_fleet=with_fleet)
    declared = yaml.safe_load(bundles.fleets_file.read_text())["fleets"]
    assert [fleet["name"] for fleet in declared] == [FLEET] * with_fleet
    assert len(list(bundles.folder.iterdir())) == 2 * (1 + with_fleet)


def test_the_generator_writes_the_text_that_is_expected(tmp_path: Path) -> None:
    folder = write_generator(tmp_path / "counting", "counting")
    section = yaml.safe_load((folder / "model.yaml").read_text())["task"]
    task = open_bundle_task(folder, "model.onnx", section)
    [answer] = task.answer([START], Parameters({}))
    assert answer == {"generated_text": TEXT}
    assert len(TEXT.split()) == TOKENS


def test_events_are_read_by_their_fields() -> None:
    lines = ["retry: 50", "", "event: token", "id: 1", 'data: {"text": "a: b"}', "", ": hello", ""]
    assert list(read_events(lines)) == [
        {"event": "token", "id": "1", "data": '{"text": "a: b"}'},
    ]
