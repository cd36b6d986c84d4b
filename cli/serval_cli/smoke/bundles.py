"""The bundles and the fleet of the stage: a classifier and a generator, light and on a fleet."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from serval_cli.smoke.generator import write_generator

FLEET = "smoke"
FLEETS = {
    "fleets": [
        {
            "name": FLEET,
            "kind": "spot",
            "instance_types": ["c7i.large", "m7i.large", "c6i.large"],
            "maximum": 1,
        }
    ]
}
"""Machines without an accelerator need no GPU quota and cost cents an hour."""
LIGHT, HEAVY = "iris", "iris-heavy"
WRITER, WRITER_ON_FLEET = "counting", "counting-heavy"
ON_FLEET = {"compute": {"target": "fleet", "fleet": FLEET}}
ROLLOUT = {"steps_percent": [50], "bake_seconds": 10}


@dataclass(frozen=True)
class SmokeBundles:
    """Bundles made from ``models/iris``, and generators, in a folder of their own."""

    source: Path
    folder: Path

    @property
    def fleets_file(self) -> Path:
        """The file that declares the stage's fleets."""
        return self.folder.parent / "fleets.yaml"

    def write(self, *, with_fleet: bool) -> None:
        """Write everything that the deployment declares."""
        self.write_light("1")
        write_generator(self.folder / WRITER, WRITER)
        fleets: dict[str, Any] = FLEETS if with_fleet else {"fleets": []}
        self.fleets_file.write_text(yaml.safe_dump(fleets))
        if with_fleet:
            self._write(HEAVY, ON_FLEET)
            write_generator(self.folder / WRITER_ON_FLEET, WRITER_ON_FLEET, **ON_FLEET)

    def write_light(self, revision: str, **more: Any) -> Path:
        """Write the light model; another revision makes another version."""
        return self._write(
            LIGHT, {"description": f"Revision {revision}", "rollout": ROLLOUT} | more
        )

    def write_spoilt(self) -> Path:
        """Write a revision whose golden requests expect another answer."""
        folder = self.write_light("spoilt")
        lines = [json.loads(line) for line in (folder / "golden.jsonl").read_text().splitlines()]
        for output in lines[0]["response"]["outputs"]:
            if output["name"] == "label":
                output["data"] = [3 for _ in output["data"]]
        (folder / "golden.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return folder

    def _write(self, name: str, more: dict[str, Any]) -> Path:
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        for file in ("model.onnx", "golden.jsonl"):
            shutil.copyfile(self.source / file, folder / file)
        declared = yaml.safe_load((self.source / "model.yaml").read_text())
        (folder / "model.yaml").write_text(yaml.safe_dump(declared | {"name": name} | more))
        return folder
