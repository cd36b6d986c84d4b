"""models/not-deployed/topics: three graphs and a rule, published as they would be on a stage."""

import importlib.util
import json
import shutil
from pathlib import Path

import pytest

from tests.fakes.stage import Stage

TOPICS = Path(__file__).parents[3] / "models/not-deployed/topics"
PARTS = ("encoder", "linear", "trees")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = importlib.util.spec_from_file_location("topics_build", TOPICS / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = tmp_path_factory.mktemp("topics")
    assert "of 20 held-out sentences" in module.build(made)
    for file in (path for part in PARTS for path in (TOPICS / part).glob("model.yaml")):
        shutil.copy(file, made / file.parent.name)
    shutil.copy(TOPICS / "pipeline.yaml", made)
    return made


def files(folder: Path, *names: str) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in names}


@pytest.fixture(scope="module")
def stage(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    made = Stage(tmp_path_factory.mktemp("stage"))
    for part in PARTS:
        upload = files(folder / part, "model.yaml", "model.onnx")
        outcome = made.roll_out(made.upload(f"topics-{part}", "u1", upload))
        assert outcome.status == "promoted", outcome.reason
    return made


def test_the_pipeline_answers_its_golden_requests_as_scikit_learn_does(
    stage: Stage, folder: Path
) -> None:
    upload = files(folder, "pipeline.yaml", "golden.jsonl")
    outcome = stage.roll_out(stage.upload("topics", "u1", upload))
    assert outcome.status == "promoted", outcome.reason
    report = stage.registry.version("topics", "1").measurements
    assert report["requests"] == 21
    assert report["largest_difference"] < 1e-5


def test_another_answer_is_refused(stage: Stage, folder: Path) -> None:
    upload = files(folder, "pipeline.yaml", "golden.jsonl")
    first, *rest = upload["golden.jsonl"].splitlines()
    line = json.loads(first)
    line["answer"][0][0]["label"] = "none"
    upload["golden.jsonl"] = b"\n".join([json.dumps(line).encode(), *rest])
    outcome = stage.roll_out(stage.upload("topics", "u2", upload))
    assert "golden.jsonl line 1: answer[0][0].label: 'weather' given" in outcome.reason
