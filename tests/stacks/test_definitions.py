"""State machines pass the States Language's own rules, as a checker that is not ours reads them."""

import copy
import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.stacks.definitions import definitions, state_names
from tests.stacks.synthesis import NODE, ROOT, Synthesised

VALIDATOR = ROOT / "node_modules/.bin/asl-validator"
LIMIT_BYTES = 1_000_000
STAGES = ["prod", "heavy_laptop"]
"""Of each kind the smaller and the larger; the definitions differ in nothing else."""


@pytest.fixture(params=STAGES)
def stage(request: pytest.FixtureRequest) -> Synthesised:
    found: Synthesised = request.getfixturevalue(request.param)
    return found


def findings(definition: Any, folder: Path) -> str:
    """Return what asl-validator says of a definition; nothing if it is valid."""
    file = folder / "definition.json"
    file.write_text(json.dumps(definition))
    node = str(NODE) if NODE.exists() else "node"
    run = subprocess.run(
        [node, str(VALIDATOR), "--json-path", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    return run.stdout + run.stderr if run.returncode else ""


def repeat_state(definition: Any) -> list[str]:
    return [name for name, times in Counter(state_names(definition)).items() if times > 1]


def plant_namesakes(definition: Any) -> Any:
    """Add a state of the same name to the children of two maps."""
    spoilt = copy.deepcopy(definition)
    for name in ("Scan", "Shards"):
        spoilt["States"][name]["ItemProcessor"]["States"]["Twice"] = {"Type": "Succeed"}
    return spoilt


def test_every_definition_is_valid(stage: Synthesised, tmp_path: Path) -> None:
    found = definitions(stage)
    assert len(found) >= 3
    assert {name: findings(each, tmp_path) for name, each in found.items()} == dict.fromkeys(
        found, ""
    )


def test_a_state_has_a_name_that_no_other_has_in_the_whole_machine(stage: Synthesised) -> None:
    for name, definition in definitions(stage).items():
        assert repeat_state(definition) == [], name


def test_a_definition_fits_what_step_functions_takes(stage: Synthesised) -> None:
    for definition in definitions(stage).values():
        assert len(json.dumps(definition)) < LIMIT_BYTES


def test_a_name_that_two_nested_states_share_is_found(prod: Synthesised, tmp_path: Path) -> None:
    spoilt = plant_namesakes(prod.batch)
    assert repeat_state(spoilt) == ["Twice"]
    assert "DUPLICATE_STATE_NAME" in findings(spoilt, tmp_path).upper()
