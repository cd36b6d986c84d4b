"""A stage's models and fleets for tests: the examples that Lambda runs, and fleet models."""

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from onnx import ModelProto

from tests.fakes.emulator import first_of_free_ports
from tests.local.fleet_models.graphs import fragile, laborious, linear, patient
from tests.tasks.long_texts import make_room

EXAMPLES = Path(__file__).parents[3] / "models"
SHELF = EXAMPLES / "not-deployed" / "shelf"
RECORDED = Path(__file__).parents[2] / "tasks" / "recorded"
UNRULY = Path(__file__).parents[1] / "handlers" / "unruly"
SERVER = Path(__file__).parents[2] / "fakes" / "one_model_server.py"

CHAT = "{% for m in messages %}{{ m.role[0] }}: {{ m.content }}\n{% endfor %}a:"

FLEETS = """
fleets:
  - {name: pair, instance_types: [c7i.2xlarge], minimum: 2, maximum: 2}
  - {name: sleepy, instance_types: [c7i.large], maximum: 2, target_age_seconds: 5,
     idle_seconds: 180}
  - {name: brittle, instance_types: [c7i.large]}
  - {name: boxes, accelerator: nvidia, instance_types: [g6.xlarge]}
  - {name: twins, accelerator: nvidia, instance_types: [g6.xlarge], maximum: 2}
  - {name: managed, kind: sagemaker, accelerator: nvidia, instance_types: [ml.g6.xlarge]}
"""
"""``pair`` is never asleep, and its price is known; ``sleepy`` sleeps; the workers of ``brittle``
are there to crash; ``boxes`` has a container of its model's own, ``twins`` a machine for each of
its versions."""


def whole(name: str, value: int) -> dict[str, Any]:
    return {"name": name, "datatype": "INT64", "shape": [1], "data": [value]}


SEVEN_BY_TWO = {"inputs": [whole("x", 7), whole("d", 2)]}, {"outputs": [whole("y", 3)]}


@dataclass(frozen=True)
class FleetModel:
    """A fleet model: its graph, and what its ``model.yaml`` says."""

    graph: ModelProto
    fleet: str
    batch: int = 16
    attempts: int = 3
    golden: tuple[dict[str, Any], dict[str, Any]] | None = None
    """A request and its response, for a model that cannot take what is made up for it."""

    def yaml(self, name: str) -> str:
        document: dict[str, Any] = {
            "name": name,
            "compute": {"target": "fleet", "fleet": self.fleet},
            "batching": {"max_batch_size": self.batch, "max_wait_ms": 5},
            "requests": {"max_attempts": self.attempts},
            "rollout": {"steps_percent": [50], "bake_seconds": 2},
        }
        if self.golden:
            document["golden"] = "golden.jsonl"
        return yaml.safe_dump(document, sort_keys=False)


MODELS: Mapping[str, FleetModel] = {
    "light": FleetModel(linear(2, 1), "pair"),
    "heavier": FleetModel(laborious(3), "pair"),
    "third": FleetModel(linear(-1, 5), "pair"),
    "rolled": FleetModel(linear(1, 1), "pair"),
    "rolled-back": FleetModel(linear(1, 1), "pair"),
    "drowsy": FleetModel(linear(4, 0), "sleepy"),
    "slow": FleetModel(patient(), "sleepy", batch=1),
    "poison": FleetModel(fragile(), "brittle", attempts=2, golden=SEVEN_BY_TWO),
    "hosted": FleetModel(linear(5, 2), "managed"),
}


def write(models: Path, names: tuple[str, ...]) -> Path:
    """Write the examples' declarations and the fleet models into a folder; gives fleets.yaml."""
    for name in names:
        (models / name).mkdir(parents=True)
        shutil.copy(EXAMPLES / name / "model.yaml", models / name)
    for handler in (SHELF, UNRULY):
        shutil.copytree(handler, models / handler.name, ignore=shutil.ignore_patterns("__py*"))
    write_fleet_shelf(models / "fleet-shelf")
    write_fleet_words(models / "fleet-words")
    write_fleet_tale(models / "fleet-tale")
    write_boxed(models / "boxed")
    write_boxed(models / "split", name="split", fleet="twins")
    for name, model in MODELS.items():
        write_bundle(models / name, name, model)
    fleets = models / "fleets.yaml"
    fleets.write_text(FLEETS)
    return fleets


def write_fleet_shelf(folder: Path) -> Path:
    """Write the example of a handler, for a fleet."""
    shutil.copytree(SHELF, folder, ignore=shutil.ignore_patterns("__py*"))
    text = (folder / "model.yaml").read_text().replace("name: shelf", "name: fleet-shelf")
    more = "compute: {target: fleet, fleet: pair}\nsecrets: {TOKEN: token}\n"
    (folder / "model.yaml").write_text(text + more)
    return folder


def write_boxed(
    folder: Path, text: str = "first", name: str = "boxed", fleet: str = "boxes"
) -> Path:
    """Write a bundle for a container that answers with this text; a process stands in for it."""
    folder.mkdir(parents=True)
    document = {
        "name": name,
        "artifact": "weights.txt",
        "compute": {"target": "fleet", "fleet": fleet},
        "runtime": {
            "kind": "container",
            "image": "registry.example/boxed:1",
            "port": first_of_free_ports(),
            "protocol": "http",
            "path": "/predictions",
            "ready": "/health",
            "start_seconds": 3 if text == "never ready" else 60,
            "command": "exec serve",
            "local_command": f"exec {sys.executable} -S -E {SERVER}",
        },
        "golden": "golden.jsonl",
        "rollout": {"bake_seconds": 2},
    }
    (folder / "model.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    (folder / "weights.txt").write_text(text)
    answer = {"text": text, "body": '"hi"', "type": "application/json", "at": "/predictions"}
    (folder / "golden.jsonl").write_text(json.dumps({"body": "hi", "answer": answer}) + "\n")
    return folder


def write_fleet_words(folder: Path) -> Path:
    """Write a recorded export of a text classifier, for a fleet."""
    return write_recorded(folder, "fleet-words", "text-classification", "text-classification")


def write_fleet_tale(folder: Path) -> Path:
    """Write a recorded export of a model that writes long texts and chats, for a fleet."""
    write_recorded(folder, "fleet-tale", "llama", "text-generation")
    make_room(folder)
    (folder / "chat_template.jinja").write_text(CHAT)
    return folder


def write_recorded(folder: Path, name: str, recorded: str, task: str) -> Path:
    """Write a bundle of a recorded export, for a fleet."""
    source = RECORDED / recorded / "bundle"
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("task.json"))
    document = {"name": name, "task": task, "compute": {"target": "fleet", "fleet": "pair"}}
    (folder / "model.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    return folder


def write_bundle(folder: Path, name: str, model: FleetModel) -> Path:
    """Write a bundle into a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.yaml").write_text(model.yaml(name))
    (folder / "model.onnx").write_bytes(model.graph.SerializeToString())
    if model.golden:
        request, response = model.golden
        line = json.dumps({"request": request, "response": response})
        (folder / "golden.jsonl").write_text(f"{line}\n")
    return folder
