"""Spot fleets: from zero and back, drained on notice, not to be reached, with a machine each."""

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serval.models.deployed_fleets import DeployedFleet, Fleets
from tests.stacks.conftest import FLEETS
from tests.stacks.synthesis import Sources, Synthesised, synthesise

SPOT = ("gpu", "served", "inferentia", "plain")


def of(stage: Synthesised, kind: str, fleet: str) -> dict[str, dict[str, Any]]:
    """Return a fleet's resources of a type, by logical id."""
    return {
        name: resource["Properties"]
        for name, resource in stage.templates["fleets"]["Resources"].items()
        if resource["Type"] == kind and name.startswith(fleet)
    }


def service(stage: Synthesised, fleet: str) -> dict[str, Any]:
    (found,) = of(stage, "AWS::ECS::Service", fleet).values()
    return found


def group(stage: Synthesised, fleet: str, capacity: str) -> dict[str, Any]:
    """Return the auto scaling group of a capacity provider."""
    provider = f"serval-prod-{fleet}-{capacity}"
    (reference,) = [
        each["AutoScalingGroupProvider"]["AutoScalingGroupArn"]["Ref"]
        for each in of(stage, "AWS::ECS::CapacityProvider", fleet).values()
        if each["Name"] == provider
    ]
    return dict(stage.resource("fleets", reference)["Properties"])


def template_of(stage: Synthesised, machines: dict[str, Any]) -> dict[str, Any]:
    specification = machines["MixedInstancesPolicy"]["LaunchTemplate"][
        "LaunchTemplateSpecification"
    ]
    found = stage.resource("fleets", specification["LaunchTemplateId"]["Ref"])
    return dict(found["Properties"]["LaunchTemplateData"])


def containers(stage: Synthesised, fleet: str) -> dict[str, dict[str, Any]]:
    (task,) = of(stage, "AWS::ECS::TaskDefinition", fleet).values()
    return {each["Name"]: each for each in task["ContainerDefinitions"]}


def variables(container: dict[str, Any]) -> dict[str, Any]:
    return {each["Name"]: each["Value"] for each in container["Environment"]}


def test_only_fleets_that_a_model_names_have_machines(heavy: Synthesised) -> None:
    services = {each["ServiceName"] for each in heavy.properties("AWS::ECS::Service")}
    assert services == {f"serval-prod-{fleet}" for fleet in SPOT}


def test_a_stage_of_light_models_has_no_machines_at_all(prod: Synthesised) -> None:
    assert prod.templates.keys() == {"storage", "models", "api"}


@pytest.mark.parametrize("fleet", SPOT)
def test_a_deploy_starts_no_machine_and_takes_none_from_whoever_needs_more(
    heavy: Synthesised, fleet: str
) -> None:
    assert service(heavy, fleet)["DesiredCount"] == 0
    for capacity in ("spot", "on-demand"):
        machines = group(heavy, fleet, capacity)
        assert machines["MinSize"] == "0"
        assert "DesiredCapacity" not in machines


@pytest.mark.parametrize("fleet", SPOT)
def test_no_machine_starts_only_to_even_out_the_zones(heavy: Synthesised, fleet: str) -> None:
    assert service(heavy, fleet)["AvailabilityZoneRebalancing"] == "DISABLED"


@pytest.mark.parametrize(("fleet", "most"), [("gpu", "4"), ("inferentia", "2"), ("plain", "1")])
def test_ecs_starts_machines_for_the_workers_that_tick_asks_for_and_ends_idle_ones(
    heavy: Synthesised, fleet: str, most: str
) -> None:
    providers = of(heavy, "AWS::ECS::CapacityProvider", fleet).values()
    assert len(providers) == 2
    for provider in providers:
        scaled = provider["AutoScalingGroupProvider"]
        assert scaled["ManagedScaling"] == {"Status": "ENABLED", "TargetCapacity": 100}
        # A machine with a worker is not ended, and one that is to end is drained before.
        assert scaled["ManagedTerminationProtection"] == "ENABLED"
        assert scaled["ManagedDraining"] == "ENABLED"
    for capacity in ("spot", "on-demand"):
        machines = group(heavy, fleet, capacity)
        assert machines["MaxSize"] == most
        assert machines["NewInstancesProtectedFromScaleIn"] is True


def test_ticks_have_the_rights_to_scale_every_spot_fleet_and_begin_switched_off(
    heavy: Synthesised,
) -> None:
    (rule,) = [each for each in heavy.properties("AWS::Events::Rule") if each.get("Name")]
    assert (rule["Name"], rule["State"]) == ("serval-prod-tick", "DISABLED")
    assert rule["ScheduleExpression"] == "rate(1 minute)"
    assert rule["Targets"][0]["Arn"] == {"Fn::GetAtt": [heavy.functions["tick"], "Arn"]}


@pytest.mark.parametrize("fleet", SPOT)
def test_a_worker_is_drained_on_a_spot_notice(heavy: Synthesised, fleet: str) -> None:
    draining = "ECS_ENABLE_SPOT_INSTANCE_DRAINING=true"
    assert draining in json.dumps(template_of(heavy, group(heavy, fleet, "spot"))["UserData"])
    # Above 0 %, ECS would stop a draining machine's worker only when another one runs.
    assert service(heavy, fleet)["DeploymentConfiguration"]["MinimumHealthyPercent"] == 0
    worker = containers(heavy, fleet)["worker"]
    assert worker["StopTimeout"] == 120
    assert variables(worker)["WATCH_SPOT"] == "1"
    # ECS is not told of machines that rebalancing ends.
    assert group(heavy, fleet, "spot")["CapacityRebalance"] is False


def test_spot_takes_what_is_there_and_cheap_and_on_demand_the_order_of_the_file(
    heavy: Synthesised,
) -> None:
    for capacity, percent in (("spot", 0), ("on-demand", 100)):
        policy = group(heavy, "gpu", capacity)["MixedInstancesPolicy"]
        assert policy["InstancesDistribution"] == {
            "OnDemandAllocationStrategy": "prioritized",
            "OnDemandBaseCapacity": 0,
            "OnDemandPercentageAboveBaseCapacity": percent,
            "SpotAllocationStrategy": "price-capacity-optimized",
        }
        types = [each["InstanceType"] for each in policy["LaunchTemplate"]["Overrides"]]
        assert types == ["g6.xlarge", "g5.xlarge"]


@pytest.mark.parametrize("fleet", SPOT)
def test_a_fleet_begins_on_spot_and_may_use_either_capacity(heavy: Synthesised, fleet: str) -> None:
    (strategy,) = service(heavy, fleet)["CapacityProviderStrategy"]
    provider = heavy.resource("fleets", strategy["CapacityProvider"]["Ref"])["Properties"]
    assert provider["Name"] == f"serval-prod-{fleet}-spot"
    (used,) = of(heavy, "AWS::ECS::ClusterCapacityProviderAssociations", fleet).values()
    references = {each["Ref"] for each in used["CapacityProviders"]}
    assert of(heavy, "AWS::ECS::CapacityProvider", fleet).keys() == references


@pytest.mark.parametrize("fleet", SPOT)
def test_a_service_is_there_while_its_cluster_may_use_its_machines(
    heavy: Synthesised, fleet: str
) -> None:
    """It is made after them and deleted before them: ECS takes no provider that is in use away."""
    resources = heavy.templates["fleets"]["Resources"]
    (association,) = of(heavy, "AWS::ECS::ClusterCapacityProviderAssociations", fleet)
    (name,) = of(heavy, "AWS::ECS::Service", fleet)
    assert association in resources[name]["DependsOn"]


def test_a_fleet_that_is_removed_changes_nothing_of_another_one(
    heavy: Synthesised, heavy_sources: Sources, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    shutil.copytree(heavy_sources.models, models)
    shutil.rmtree(models / "sorted")  # The only model of the fleet "plain".
    without = synthesise(replace(heavy_sources, models=models), tmp_path / "without")

    before, after = (
        {
            name: resource
            for name, resource in stage.templates["fleets"]["Resources"].items()
            if not name.startswith(("plain", "Queuesplain", "Queuessorted"))
        }
        for stage in (heavy, without)
    )

    assert not of(without, "AWS::ECS::Service", "plain")
    assert before == after


def test_ecs_tells_fallback_that_it_cannot_place_a_worker_of_this_stage(
    heavy: Synthesised,
) -> None:
    (rule,) = [
        each
        for each in heavy.properties("AWS::Events::Rule")
        if each.get("EventPattern", {}).get("source") == ["aws.ecs"]
    ]
    pattern = rule["EventPattern"]
    assert pattern["detail-type"] == ["ECS Service Action"]
    assert pattern["detail"] == {"eventName": ["SERVICE_TASK_PLACEMENT_FAILURE"]}
    ends = {each["Fn::Join"][1][-1] for each in pattern["resources"]}
    assert ends == {f":service/serval-prod-{fleet}/serval-prod-{fleet}" for fleet in SPOT}
    assert rule["Targets"][0]["Arn"] == {"Fn::GetAtt": [heavy.functions["fallback"], "Arn"]}


def test_nothing_comes_in_and_nothing_is_billed_by_the_hour(heavy: Synthesised) -> None:
    (network,) = heavy.properties("AWS::EC2::SecurityGroup")
    assert "SecurityGroupIngress" not in network
    kinds = {each["Type"] for each in heavy.templates["fleets"]["Resources"].values()}
    for billed in ("NatGateway", "EIP", "SecurityGroupIngress", "VPNGateway", "TransitGateway"):
        assert f"AWS::EC2::{billed}" not in kinds
    services = {
        endpoint["ServiceName"]["Fn::Join"][1][-1]
        for endpoint in heavy.properties("AWS::EC2::VPCEndpoint")
    }
    assert services == {".s3", ".dynamodb"}
    for subnet in heavy.properties("AWS::EC2::Subnet"):
        assert subnet["MapPublicIpOnLaunch"] is True


@pytest.mark.parametrize("capacity", ["spot", "on-demand"])
@pytest.mark.parametrize("fleet", SPOT)
def test_machines_are_closed_encrypted_and_speak_imdsv2_alone(
    heavy: Synthesised, fleet: str, capacity: str
) -> None:
    template = template_of(heavy, group(heavy, fleet, capacity))
    assert template["MetadataOptions"]["HttpTokens"] == "required"
    (disk,) = template["BlockDeviceMappings"]
    assert disk["Ebs"]["Encrypted"] is True
    assert disk["Ebs"]["VolumeType"] == "gp3"
    large = {"VolumeSize": 500, "Throughput": 1000, "Iops": 4000}
    expected = large if fleet == "served" else {"VolumeSize": 100}
    names = ("VolumeSize", "Throughput", "Iops")
    assert {name: disk["Ebs"][name] for name in names if name in disk["Ebs"]} == expected
    (interface,) = template["NetworkInterfaces"]
    (closed,) = interface["Groups"]
    assert heavy.resource("fleets", closed["Fn::GetAtt"][0])["Type"] == "AWS::EC2::SecurityGroup"


@pytest.mark.parametrize(
    ("fleet", "image"), [("gpu", "/gpu/"), ("inferentia", "/neuron/"), ("plain", "2023/rec")]
)
def test_a_machines_image_is_looked_up_at_deploy(
    heavy: Synthesised, fleet: str, image: str
) -> None:
    reference = template_of(heavy, group(heavy, fleet, "spot"))["ImageId"]["Ref"]
    parameter = heavy.templates["fleets"]["Parameters"][reference]
    assert parameter["Type"] == "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>"
    assert image in parameter["Default"]


@pytest.mark.parametrize("fleet", SPOT)
def test_a_worker_has_a_machine_for_itself(heavy: Synthesised, fleet: str) -> None:
    assert service(heavy, fleet)["PlacementConstraints"] == [{"Type": "distinctInstance"}]
    assert "Memory" not in containers(heavy, fleet)["worker"]


def test_a_worker_has_its_machines_accelerator(heavy: Synthesised) -> None:
    gpu, plain = containers(heavy, "gpu"), containers(heavy, "plain")
    assert gpu.keys() == plain.keys() == {"worker"}
    assert gpu["worker"]["ResourceRequirements"] == [{"Type": "GPU", "Value": "1"}]
    assert "ResourceRequirements" not in plain["worker"]
    assert "ECS_ENABLE_GPU_SUPPORT=true" in json.dumps(
        template_of(heavy, group(heavy, "gpu", "spot"))
    )


@pytest.mark.parametrize("fleet", ["served", "inferentia"])
def test_a_server_beside_the_worker_has_the_accelerator_instead(
    heavy: Synthesised, fleet: str
) -> None:
    both = containers(heavy, fleet)
    worker, server = both["worker"], both["server"]
    assert "ResourceRequirements" not in worker
    assert "LinuxParameters" not in worker
    if fleet == "served":
        assert server["ResourceRequirements"] == [{"Type": "GPU", "Value": "1"}]
    else:
        (device,) = server["LinuxParameters"]["Devices"]
        assert device["HostPath"] == "/dev/neuron0"


@pytest.mark.parametrize(("fleet", "port"), [("served", "8100"), ("inferentia", "$PORT")])
def test_a_server_finds_what_the_worker_leaves_and_goes_down_with_it(
    heavy: Synthesised, fleet: str, port: str
) -> None:
    both = containers(heavy, fleet)
    worker, server = both["worker"], both["server"]
    (task,) = of(heavy, "AWS::ECS::TaskDefinition", fleet).values()
    assert task["NetworkMode"] == "host"
    for container in (worker, server):
        (mount,) = container["MountPoints"]
        assert mount["ContainerPath"] == variables(worker)["SERVER_FOLDER"] == "/models"
        assert container["Essential"] is True
    assert worker["DependsOn"] == [{"Condition": "START", "ContainerName": "server"}]
    assert port in server["EntryPoint"][-1]
    images = heavy.templates["fleets"]["Mappings"][server["Image"]["Fn::FindInMap"][0]]
    assert "eu-central-1" in images


def test_a_worker_is_told_of_its_own_fleet_alone(heavy: Synthesised) -> None:
    told = variables(containers(heavy, "gpu")["worker"])
    own = DeployedFleet(name="gpu", accelerator="nvidia", maximum=4, models=("heard", "seen"))
    assert Fleets.from_text(told["FLEETS"]).by_name == {"gpu": own}
    assert told["STAGE"] == "prod"
    assert "SERVER_FOLDER" not in told


def test_another_fleets_model_leaves_a_workers_task_as_it_is(
    heavy: Synthesised, heavy_sources: Sources, tmp_path: Any
) -> None:
    fleets = tmp_path / "fleets.yaml"
    fleets.write_text(FLEETS.replace("maximum: 2", "maximum: 9"))
    sources = Sources(heavy_sources.layers, heavy_sources.models, fleets)
    changed = synthesise(sources, tmp_path / "out")
    for fleet, same in (("gpu", True), ("inferentia", False)):
        told = [variables(containers(stage, fleet)["worker"]) for stage in (heavy, changed)]
        assert (told[0] == told[1]) is same


def test_there_is_one_image_for_each_accelerator(heavy: Synthesised) -> None:
    assets = json.loads((heavy.folder / "fleets.assets.json").read_text())["dockerImages"].values()
    built = sorted(each["source"]["dockerBuildTarget"] for each in assets)
    assert built == ["cpu", "cuda", "neuron"]
    assert {each["source"]["platform"] for each in assets} == {"linux/amd64"}
    for each in assets:
        context = heavy.folder / each["source"]["directory"]
        files = [path.relative_to(context) for path in context.rglob("*") if path.is_file()]
        assert {path.parts[0] for path in files} == {"functions", "layers", "requirements"}
        assert not [path for path in files if path.suffix == ".pyc"]


def test_a_stage_can_be_kept_to_the_zones_that_its_region_has(
    heavy_sources: Sources, tmp_path: Any
) -> None:
    stage = synthesise(heavy_sources, tmp_path, fleet_zones="2")
    assert len(stage.resources("AWS::EC2::Subnet")) == 2


def test_fleets_can_go_again(heavy: Synthesised) -> None:
    """What the API's stack exported for them, it could not take back while they are there."""
    used = json.dumps(heavy.templates["fleets"])
    assert "serval-prod-storage:" in used
    assert "serval-prod-api:" not in used
    light = json.dumps(heavy.templates["api"])
    for name in heavy.templates["storage"]["Outputs"]:
        if f"serval-prod-storage:{name}" in used:
            assert f"serval-prod-storage:{name}" in light


def test_a_laptop_has_workers_instead_of_machines(heavy_laptop: Synthesised) -> None:
    assert not heavy_laptop.resources("AWS::ECS::Service")
    assert not heavy_laptop.resources("AWS::EC2::VPC")
    told = heavy_laptop.function("tick")["Environment"]["Variables"]
    assert told["MACHINES"] == "rows"
    told_outside = heavy_laptop.templates["api"]["Outputs"]["Fleets"]["Value"]
    assert "gpu" in Fleets.from_text(told_outside).by_name


@pytest.mark.parametrize("fleet", ["served", "inferentia"])
def test_a_server_is_not_told_where_the_worker_s_credentials_are(
    heavy: Synthesised, fleet: str
) -> None:
    server = containers(heavy, fleet)["server"]
    shell, option, script = server["EntryPoint"]
    told = {
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/1",
        "ECS_AGENT_URI": "http://169.254.170.2/api/1",
        "ECS_CONTAINER_METADATA_URI_V4": "http://169.254.170.2/v4/1",
        "PATH": os.environ["PATH"],
    }
    before, _, _ = script.partition("export ")
    run = subprocess.run(
        [shell, option, f"{before} env"], env=told, capture_output=True, text=True, check=True
    )
    assert "169.254" not in run.stdout
    assert "credentials" not in run.stdout
    assert server["LinuxParameters"]["Capabilities"]["Drop"] == ["NET_RAW"]
