"""The pipelines of models/not-deployed, published over their models as they would be on a stage."""

import importlib.util
import json
import shutil
from pathlib import Path

import pytest

from tests.fakes.stage import Stage

MODELS = Path(__file__).parents[3] / "models"
ORDER = (
    *("camera", "reviews", "not-deployed/gate"),
    *("not-deployed/catalogue/keywords", "not-deployed/catalogue"),
    *("not-deployed/cascade/large", "not-deployed/cascade"),
    *("not-deployed/spoken/spectrogram", "not-deployed/spoken/vocoder", "not-deployed/spoken"),
)
BUNDLED = ("model.yaml", "pipeline.yaml", "model.onnx", "golden.jsonl")


def build(example: str, folder: Path) -> None:
    """Build an example in a folder, if it has something to build."""
    shutil.copytree(MODELS / example, folder, dirs_exist_ok=True)
    if not (folder / "build.py").is_file():
        return
    spec = importlib.util.spec_from_file_location("example_build", MODELS / example / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.build(folder)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    made, root = Stage(tmp_path_factory.mktemp("stage")), tmp_path_factory.mktemp("models")
    for example in sorted(ORDER):
        build(example, root / example)
    for example in ORDER:
        folder = root / example
        files = {name: (folder / name).read_bytes() for name in BUNDLED if (folder / name).exists()}
        name = example.removeprefix("not-deployed/").replace("/", "-")
        outcome = made.roll_out(made.upload(name, "u1", files))
        assert outcome.status == "promoted", f"{name}: {outcome.reason}"
    return made


@pytest.mark.parametrize(
    ("pipeline", "requests"), [("gate", 9), ("catalogue", 9), ("cascade", 64), ("spoken", 3)]
)
def test_a_pipeline_answers_its_golden_requests(stage: Stage, pipeline: str, requests: int) -> None:
    report = stage.registry.version(pipeline, "1").measurements
    assert report["requests"] == requests
    assert report["largest_difference"] < 1e-4


def test_a_camera_that_sees_less_would_break_the_pipelines_over_it(stage: Stage) -> None:
    """Both are named: the one that asks it, and the one that asks that one."""
    version = stage.registry.version("camera", "1")
    files = {
        name: stage.bucket.objects[f"models/camera/1/{name}"][-1]
        for name in (file.path for file in version.files)
        if name in BUNDLED
    }
    files["model.yaml"] = files["model.yaml"].replace(b"person, animal", b"animal, person")
    lines = files["golden.jsonl"].decode().replace("person", "_").replace("animal", "person")
    files["golden.jsonl"] = lines.replace('"_"', '"animal"').encode()
    assert json.loads(files["golden.jsonl"].splitlines()[0])
    outcome = stage.roll_out(stage.upload("camera", "u2", files))
    assert outcome.status == "refused"
    assert "pipeline 'gate' version 1, which asks 'camera', would break" in outcome.reason
    assert "pipeline 'catalogue' version 1, which asks 'camera', would break" in outcome.reason
