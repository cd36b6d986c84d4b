"""What is deployed of the repository unasked: nothing that runs on a machine."""

import json
from pathlib import Path

import pytest
from aws_cdk import App

from app import build
from serval.errors import BundleRefused
from tests.stacks.conftest import declare, on
from tests.stacks.synthesis import ROOT, Synthesised

MACHINES = ("AWS::EC2::", "AWS::ECS::", "AWS::AutoScaling::", "AWS::SageMaker::", "AWS::ECR::")


@pytest.fixture(scope="module")
def unasked(layers: Path, tmp_path_factory: pytest.TempPathFactory) -> Synthesised:
    """What an app without any context deploys."""
    return synthesise(layers, tmp_path_factory.mktemp("unasked"))


def synthesise(layers: Path, outdir: Path, **context: str) -> Synthesised:
    settings = json.loads((ROOT / "cdk.json").read_text())["context"]
    app = App(outdir=str(outdir), analytics_reporting=False, context=settings | context)
    build(app, layers).synth()
    return Synthesised(app, outdir)


def docker_images(stage: Synthesised) -> list[str]:
    return [
        image
        for manifest in stage.folder.glob("*.assets.json")
        for image in json.loads(manifest.read_text()).get("dockerImages", {})
    ]


def test_light_models_alone_bring_no_network_no_machine_and_no_image(unasked: Synthesised) -> None:
    assert unasked.templates.keys() == {"storage", "models", "api"}
    kinds = {
        resource["Type"]
        for template in unasked.templates.values()
        for resource in template["Resources"].values()
    }
    assert [kind for kind in kinds if kind.startswith(MACHINES)] == []
    assert docker_images(unasked) == []
    assert "infer-digits" in unasked.functions


def test_the_examples_on_fleets_are_there_where_fleets_are_chosen(
    layers: Path, tmp_path: Path
) -> None:
    chosen = synthesise(layers, tmp_path, fleets="fleets.yaml")
    assert "fleets" in chosen.templates
    assert docker_images(chosen)


def test_the_laptop_has_all_examples_unasked(layers: Path, tmp_path: Path) -> None:
    assert "fleets" in synthesise(layers, tmp_path, stage="local").templates


def test_a_model_of_the_users_on_a_fleet_is_not_left_out_in_silence(
    layers: Path, tmp_path: Path
) -> None:
    (tmp_path / "own").mkdir()
    models = declare(tmp_path / "own", {"heavy": on("heavy", "gpu")})
    with pytest.raises(BundleRefused, match=r"'heavy'.*no fleets are declared: --fleets FILE"):
        synthesise(layers, tmp_path / "out", models=str(models))
