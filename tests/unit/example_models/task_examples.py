"""Examples with a task: built into a folder, opened as a version is, and asked."""

import importlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from serval.bundles.bundle import read_bundle
from serval.rollouts.golden.requests import read_golden
from serval.rollouts.golden.task_answers import ask_task
from serval.tasks.parameters import Parameters
from serval.tasks.task import Task
from serval_cli.bundle.task_golden import open_bundle_task

MODELS = Path(__file__).resolve().parents[3] / "models"
BUILT = ("*.onnx", "*.jpg", "golden.jsonl", "tokenizer.json", "__pycache__")


@dataclass(frozen=True)
class TaskExample:
    """An example that was built, and its task."""

    place: str
    """Its folder, under ``models/``."""
    build: ModuleType
    folder: Path
    said: str
    bundle: dict[str, Any]
    """What its model.yaml says."""
    task: Task

    @classmethod
    def built(cls, place: str, folder: Path, **how: Any) -> "TaskExample":
        """Build the example at a place under ``models/``."""
        copied = folder / Path(place).name
        shutil.copytree(MODELS / place, copied, ignore=shutil.ignore_patterns(*BUILT))
        build = importlib.import_module(f"models.{place.replace('/', '.')}.build")
        said = build.build(copied, **how)
        declared = read_bundle((copied / "model.yaml").read_bytes())
        bundle = declared.model_dump(mode="json", exclude_none=True)
        task = open_bundle_task(copied, bundle["artifact"], bundle["task"])
        return cls(place, build, copied, said, bundle, task)

    def answer(self, *inputs: Any, **parameters: Any) -> list[Any]:
        """Ask the task."""
        return self.task.answer(inputs, Parameters(parameters))

    def check_golden(self) -> list[int]:
        """Ask the golden requests of the task and compare; return how many inputs each has."""
        lengths = []
        for line in read_golden("golden.jsonl", (self.folder / "golden.jsonl").read_bytes()):
            if not line.for_task:
                continue
            [asked, *_], differences = ask_task(self.task, line, 1e-4)
            assert differences.reasons == ()
            lengths.append(len(asked.array))
        return lengths

    def check_again(self, folder: Path, **how: Any) -> None:
        """Build it again, twice if it is not built as before, and compare the bytes."""
        before = TaskExample.built(self.place, folder / "before", **how) if how else self
        again = TaskExample.built(self.place, folder / "again", **how)
        files = [path.relative_to(again.folder) for path in again.folder.rglob("*.*")]
        assert any(path.suffix == ".onnx" for path in files)
        for path in files:
            assert (again.folder / path).read_bytes() == (before.folder / path).read_bytes()
