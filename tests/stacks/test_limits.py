"""A stage of many models fits what AWS allows, and more models are refused in a sentence."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from stacks.stage.capacity import StageTooLarge, TooMuchToTell, check_capacity, resources_at_most
from stacks.stage.deployed_models import DeployedModels, read_models
from tests.stacks.conftest import FLEETS, declare, on
from tests.stacks.definitions import definitions, state_names
from tests.stacks.limits import breaches
from tests.stacks.synthesis import ROOT, Sources, Synthesised, synthesise
from tests.stacks.test_definitions import findings

LONGEST_STAGE = "a-stage-of-24-characters"
MANAGED = FLEETS + "  - {name: other, kind: sagemaker, instance_types: [ml.m5.xlarge]}\n"


def names(kind: str, count: int) -> list[str]:
    """Return names of the most characters that a model's may have."""
    return [f"{kind}-{n:02}-".ljust(63, "x") for n in range(count)]


def own(count: int) -> Mapping[str, str]:
    return {
        name: f"name: {name}\ncompute: {{memory_mib: {2000 + n}}}\n"
        for n, name in enumerate(names("own", count))
    }


def on_fleet(fleet: str, count: int) -> Mapping[str, str]:
    return {name: on(name, fleet) for name in names(fleet, count)}


MANY = {
    "60 functions": own(60),
    "60 on a spot fleet": on_fleet("gpu", 60),
    "60 on a sagemaker fleet": on_fleet("managed", 60),
    "20 of each": {**own(20), **on_fleet("gpu", 20), **on_fleet("managed", 20)},
}


@pytest.fixture(scope="module", params=list(MANY))
def large(
    request: pytest.FixtureRequest, layers: Path, tmp_path_factory: pytest.TempPathFactory
) -> Synthesised:
    """Synthesise a large stage, which cdk-nag checks in passing."""
    folder = tmp_path_factory.mktemp("large")
    (folder / "models").mkdir()
    (folder / "fleets.yaml").write_text(MANAGED)
    models = declare(folder / "models", MANY[request.param])
    sources = Sources(layers, models, folder / "fleets.yaml")
    return synthesise(sources, folder / "out", stage=LONGEST_STAGE)


def test_a_stage_of_many_models_fits_every_limit(large: Synthesised) -> None:
    assert breaches(large) == []


@pytest.mark.parametrize("stage", ["prod", "heavy", "default"])
def test_a_stage_of_a_few_models_fits_every_limit(
    stage: str, request: pytest.FixtureRequest
) -> None:
    assert breaches(request.getfixturevalue(stage)) == []


def test_no_stack_has_more_resources_than_were_counted_before(large: Synthesised) -> None:
    models = large.folder.parent / "models"
    counted = resources_at_most(read_models(models, models.parent / "fleets.yaml"))
    for stack in large.templates.keys() & counted.keys():
        assert len(large.templates[stack]["Resources"]) <= counted[stack], stack


@pytest.mark.parametrize("large", ["20 of each"], indirect=True)
def test_definitions_of_a_large_stage_are_valid(large: Synthesised, tmp_path: Path) -> None:
    for definition in definitions(large).values():
        assert findings(definition, tmp_path) == ""
        assert len(set(state_names(definition))) == len(list(state_names(definition)))


@pytest.mark.parametrize("large", ["20 of each"], indirect=True)
def test_cfn_lint_finds_nothing_where_models_are(large: Synthesised) -> None:
    lint = [str(Path(sys.executable).with_name("cfn-lint"))]
    templates = [str(large.folder / f"{stack}.template.json") for stack in ("models", "fleets")]
    run = subprocess.run([*lint, *templates], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "")


@pytest.mark.parametrize(
    ("models", "refused"),
    [
        (
            own(80),
            "80 models with functions of their own, 0 models on 0 fleets and 0 schedules make"
            " 564 resources in the stack 'models', and CloudFormation accepts 500: deploy some of",
        ),
        (on_fleet("gpu", 100), "100 models on 1 fleets .* 650 resources in the stack 'api'"),
        (own(60) | on_fleet("gpu", 60), "730 resources in the stack 'api'"),
    ],
)
def test_more_models_than_a_stage_takes_are_refused(
    models: Mapping[str, str], refused: str, tmp_path: Path
) -> None:
    with pytest.raises(StageTooLarge, match=refused):
        check_capacity(read(tmp_path, models))


def test_models_that_functions_cannot_be_told_of_are_refused(tmp_path: Path) -> None:
    random = ["m" + hashlib.sha256(str(n).encode()).hexdigest()[:62] for n in range(60)]
    with pytest.raises(
        TooMuchToTell, match=r"description of 60 models takes 3\d{3} bytes .* 3000 fit"
    ):
        check_capacity(read(tmp_path, {name: on(name, "gpu") for name in random}))


def test_a_refusal_at_synth_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    declare(tmp_path / "models", own(80))
    settings = json.dumps({"models": str(tmp_path / "models"), "fleets": str(ROOT / "fleets.yaml")})
    run = subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env=os.environ | {"CDK_CONTEXT_JSON": settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    (line,) = run.stderr.splitlines()
    assert line.startswith("serval: 80 models with functions of their own")


def read(folder: Path, models: Mapping[str, str]) -> DeployedModels:
    (folder / "models").mkdir()
    (folder / "fleets.yaml").write_text(MANAGED)
    return read_models(declare(folder / "models", models), folder / "fleets.yaml")
