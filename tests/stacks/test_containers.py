"""A container of a bundle's own image, beside the worker of a spot fleet."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from serval.bundles.runtime_section import Runtime
from stacks.fleets.container_server import environment_of, start_of
from tests.stacks.conftest import declare
from tests.stacks.synthesis import Sources, Synthesised, synthesise

IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/boxes/mine:7"
BOXED = f"""name: boxed
compute: {{target: fleet, fleet: boxes}}
runtime:
  kind: container
  image: {IMAGE}
  port: 9000
  protocol: sagemaker
  command: exec serve
"""
FLEETS = """
fleets:
  - {name: boxes, accelerator: nvidia, instance_types: [g6.xlarge], disk_gib: 300}
"""


@pytest.fixture(scope="module")
def boxed(layers: Path, tmp_path_factory: pytest.TempPathFactory) -> Synthesised:
    fleets = tmp_path_factory.mktemp("boxes") / "fleets.yaml"
    fleets.write_text(FLEETS)
    models = declare(tmp_path_factory.mktemp("boxed"), {"boxed": BOXED})
    return synthesise(Sources(layers, models, fleets), tmp_path_factory.mktemp("boxed-prod"))


def containers(stage: Synthesised) -> dict[str, Mapping[str, Any]]:
    (task,) = stage.properties("AWS::ECS::TaskDefinition")
    return {one["Name"]: one for one in task["ContainerDefinitions"]}


def test_the_image_is_the_second_container_and_has_the_gpu_and_a_log(boxed: Synthesised) -> None:
    both = containers(boxed)
    server = both["server"]
    assert server["Image"] == IMAGE
    assert server["ResourceRequirements"] == [{"Type": "GPU", "Value": "1"}]
    assert "ResourceRequirements" not in both["worker"]
    assert server["LogConfiguration"]["Options"]["awslogs-stream-prefix"] == "server"
    assert server["Essential"] is True
    assert {"Name": "PORT", "Value": "9000"} in server["Environment"]
    assert [mount["ContainerPath"] for mount in server["MountPoints"]] == ["/models"]
    shell, option, script = server["EntryPoint"]
    assert (shell, option) == ("sh", "-c")
    assert "exec serve" in script
    assert "/opt/ml/model" in script


def test_its_pull_is_granted_on_its_repository_alone(boxed: Synthesised) -> None:
    granted = json.dumps(boxed.properties("AWS::IAM::Policy"))
    assert ":ecr:eu-west-1:123456789012:repository/boxes/mine" in granted


def test_the_worker_waits_for_it_and_ends_before_it(boxed: Synthesised) -> None:
    """So ``start_seconds`` and ``ready`` of a bundle hold on AWS, where no health check is set."""
    both = containers(boxed)
    assert both["worker"]["DependsOn"] == [{"Condition": "START", "ContainerName": "server"}]
    assert both["server"]["StopTimeout"] == 120
    assert "HealthCheck" not in both["server"]
    told = {one["Name"]: one["Value"] for one in both["worker"]["Environment"]}
    assert told["SERVER_FOLDER"] == "/models"
    assert "SERVER_PORT" not in told, "the bundle's port counts"


def test_what_verifies_bundles_is_told_the_image_and_the_disk(boxed: Synthesised) -> None:
    from serval.models.deployed_fleets import Fleets

    told = boxed.function("verify")["Environment"]["Variables"]["FLEETS"]
    fleet = Fleets.from_text(told).by_name["boxes"]
    assert (fleet.image, fleet.disk_gib) == (IMAGE, 300)


def test_cfn_lint_finds_nothing_in_it(boxed: Synthesised) -> None:
    lint = str(Path(sys.executable).with_name("cfn-lint"))
    template = next(boxed.folder.glob("*fleets*.template.json"))
    run = subprocess.run([lint, str(template)], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "")


def test_an_image_without_a_command_starts_as_it_is() -> None:
    plain = Runtime(kind="container", image="registry/cog:1", protocol="http", port=5000)
    assert start_of(plain) == (None, None)
    sagemaker = plain.model_copy(update={"protocol": "sagemaker"})
    assert start_of(sagemaker) == (["serve"], None)


def test_sagemakers_images_find_their_port_where_its_contract_puts_it() -> None:
    """Else they listen on 8080, whatever the bundle says."""
    plain = Runtime(kind="container", image="registry/mine:1", protocol="http", port=5000)
    assert environment_of(plain) == {"PORT": "5000"}
    sagemaker = plain.model_copy(update={"protocol": "sagemaker"})
    assert environment_of(sagemaker) == {"PORT": "5000", "SAGEMAKER_BIND_TO_PORT": "5000"}
