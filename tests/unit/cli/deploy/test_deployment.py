"""`serval deploy`: what is checked, what is shown, and that nothing is deployed unasked."""

import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
import typer
from botocore.exceptions import ClientError, NoCredentialsError
from rich.console import Console

from serval_cli.deploy.account import NotAnswered
from serval_cli.deploy.aws_account import Absent, translate_errors
from serval_cli.deploy.deployment import Deployment, DeployRequest, NotReady
from serval_cli.deploy.views import describe_fleet, view_plan
from serval_cli.options import check_bundles_folder
from tests.fakes.aws_account import FakeAccount, FakeCdk, assembly, packed

FLEETS = """
fleets:
  - {name: gpu, accelerator: nvidia, instance_types: [g5.xlarge], minimum: 1, maximum: 2}
  - {name: managed, kind: sagemaker, accelerator: nvidia, instance_types: [ml.g5.xlarge]}
"""
SPOT = {"kind": "spot", "accelerator": "nvidia", "minimum": 1, "maximum": 2}
GPU = {"gpu": SPOT | {"target_age_seconds": 30, "idle_seconds": 300, "models": ["heavy"]}}
LIGHT = DeployRequest(stage="prod")


def no_docker() -> str:
    return "there is no docker here"


def deployment(account: FakeAccount, cdk: FakeCdk | None = None) -> Deployment:
    return Deployment(account, cdk or FakeCdk(assembly({}, ["digits"])), no_docker)


@pytest.fixture
def heavy(tmp_path: Path) -> DeployRequest:
    """What is asked with fleets."""
    (tmp_path / "fleets.yaml").write_text(FLEETS)
    return DeployRequest(stage="prod", models=tmp_path, fleets=tmp_path / "fleets.yaml")


@pytest.mark.parametrize(
    ("account", "said"),
    [
        (FakeAccount(region=None), "set AWS_REGION"),
        (FakeAccount(refusal="no AWS credentials: run `aws sso login`"), "aws sso login"),
        (FakeAccount(bootstrap=None), "cdk bootstrap aws://123456789012/eu-central-1"),
        (FakeAccount(bootstrap=5), "version 5, 6 needed"),
    ],
)
def test_what_an_account_lacks_is_said_before_anything_is_built(
    account: FakeAccount, said: str
) -> None:
    cdk = FakeCdk(assembly({}, []))
    with pytest.raises(NotReady, match="nothing was deployed") as refused:
        deployment(account, cdk).plan(LIGHT)
    assert said in str(refused.value)
    assert cdk.asked == []


def test_light_models_need_no_docker_and_no_quota_of_machines() -> None:
    plan = deployment(FakeAccount(service_quotas={})).plan(LIGHT).describe()
    assert (plan["missing"], plan["notes"], plan["fleets"]) == ([], [], [])


def test_fleets_need_docker(heavy: DeployRequest) -> None:
    cdk = FakeCdk(assembly(GPU, [], images=1))
    with pytest.raises(NotReady, match="there is no docker here: start Docker, or deploy without"):
        deployment(FakeAccount(), cdk).plan(heavy)


def test_an_endpoint_without_a_quota_stops_the_deployment_and_a_spot_fleet_does_not(
    heavy: DeployRequest,
) -> None:
    none = FakeAccount(service_quotas={"ec2": {}, "sagemaker": {}})
    managed = GPU | {"managed": GPU["gpu"] | {"kind": "sagemaker", "models": ["other"]}}
    with pytest.raises(NotReady, match=r"'ml.g5.xlarge for endpoint usage' is 0 here, so its end"):
        deployment(none, FakeCdk(assembly(managed, []))).plan(heavy)
    (note,) = deployment(none, FakeCdk(assembly(GPU, []))).plan(heavy).describe()["notes"]
    assert "'All G and VT Spot Instance Requests' is 0 here, so it deploys, and gets no" in note


def test_a_quota_that_cannot_be_read_is_said_and_stops_nothing(heavy: DeployRequest) -> None:
    account = FakeAccount(service_quotas={})
    (note,) = deployment(account, FakeCdk(assembly(GPU, []))).plan(heavy).describe()["notes"]
    assert "quotas of ec2 are not known: the AWS credentials may not" in note


def test_more_concurrency_than_the_account_has_is_refused_with_what_fits() -> None:
    asked = DeployRequest(stage="prod", context={"lambda_concurrency": "1000"})
    with pytest.raises(NotReady, match="-c lambda_concurrency=10`"):
        deployment(FakeAccount()).plan(asked)
    (note,) = deployment(FakeAccount(invocations=1000)).plan(LIGHT).describe()["notes"]
    assert "-c lambda_concurrency=1000` gives" in note


def test_the_plan_has_resources_rights_duration_and_cost(heavy: DeployRequest) -> None:
    cdk = FakeCdk(assembly(GPU, ["digits"]))
    plan = deployment(FakeAccount(), cdk).plan(heavy).describe()
    assert plan["stacks"] == {"serval-prod-api": {"resources": 4, "there": False}}
    assert (plan["roles"], plan["rights_on_any_resource"]) == (1, ["cloudwatch:GetMetricData"])
    assert plan["minutes"]["least"] < plan["minutes"]["most"]
    (fleet,) = plan["fleets"]
    assert (fleet["models"], fleet["machine"], fleet["maximum"]) == (["heavy"], "g5.xlarge", 2)
    always = fleet["dollars_an_hour"] * 730
    assert plan["idle"]["dollars_a_month"] == pytest.approx(0.20 + always, abs=0.01)
    written = StringIO()
    Console(width=80, file=written).print(view_plan(plan))
    shown = written.getvalue()
    for word in ("account 123456789012", "digits", "heavy", "roles", "minutes", "a month"):
        assert word in shown


def test_the_plan_says_that_a_rollout_takes_a_machine_more(heavy: DeployRequest) -> None:
    paired = {name: {**fleet, "paired": ["heavy"]} for name, fleet in GPU.items()}
    for fleets, told in ((GPU, False), (paired, True)):
        plan = deployment(FakeAccount(), FakeCdk(assembly(fleets, ["digits"]))).plan(heavy)
        (fleet,) = plan.describe()["fleets"]
        assert ("; one more while heavy rolls out" in describe_fleet(fleet)) == told


def test_what_a_deployment_takes_away_is_shown() -> None:
    there = {"OwnFunctions": packed(["digits", "kept"]), "Fleets": packed(GPU)}
    account = FakeAccount(stacks={"serval-prod-api": there})
    plan = deployment(account, FakeCdk(assembly({}, ["kept"]))).plan(LIGHT).describe()
    assert plan["taken_away"] == ["digits", "heavy"]
    assert plan["stacks"]["serval-prod-api"]["there"] is True


def test_a_plan_needs_no_account() -> None:
    account = FakeAccount(refusal="no AWS credentials")
    plan = deployment(account).plan(LIGHT, without_account=True).describe()
    assert (plan["account"], plan["missing"]) == (None, ["no AWS credentials"])


def test_the_users_folders_reach_the_app_as_context(heavy: DeployRequest) -> None:
    cdk = FakeCdk(assembly({}, []))
    deployment(FakeAccount(), cdk).plan(heavy)
    assert cdk.asked == [
        {"models": str(heavy.models), "fleets": str(heavy.fleets), "stage": "prod"}
    ]


def test_a_deployment_says_where_the_stage_answers() -> None:
    cdk = FakeCdk(assembly({}, []))
    account = FakeAccount(stacks={"serval-prod-api": {"ApiUrl": "https://api/"}})
    made = deployment(account, cdk)
    said = made.deploy(made.plan(LIGHT))
    assert (cdk.deployed, said["api_url"]) == (1, "https://api")


def test_what_the_sdk_raises_becomes_a_sentence() -> None:
    with pytest.raises(NotAnswered, match=r"no AWS credentials.*aws sso login"), translate_errors():
        raise NoCredentialsError
    gone = ClientError({"Error": {"Code": "ValidationError", "Message": "not there"}}, "Describe")
    with pytest.raises(Absent), translate_errors("ValidationError"):
        raise gone
    with pytest.raises(NotAnswered, match="Describe with ValidationError"), translate_errors():
        raise gone


@pytest.mark.parametrize(
    ("words", "stage", "said"),
    [
        (["deploy"], "", "no stage is named: --stage prod"),
        (["deploy"], "prod", "nobody can be asked: --yes deploys unasked, --plan only shows"),
        (["deploy", "--plan"], "local", "--plan has nothing to show; nothing"),
    ],
)
def test_nothing_is_deployed_unasked(
    words: list[str], stage: str, said: str, tmp_path: Path
) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "serval_cli.main", *words],
        env=os.environ | {"SERVAL_STATE": str(tmp_path), "SERVAL_STAGE": stage},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert said in run.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_is_not_a_folder_of_bundles_and_a_folder_without_any_is_noted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check_bundles_folder(tmp_path) == tmp_path
    said = "is a bundle (none has a model.yaml or a pipeline.yaml): nothing of it is deployed"
    assert said in capsys.readouterr().err
    (tmp_path / "model.yaml").touch()
    with pytest.raises(typer.BadParameter, match="is a bundle: name the folder that it lies in"):
        check_bundles_folder(tmp_path)
    assert check_bundles_folder(tmp_path.parent) == tmp_path.parent


def test_a_folder_of_pipelines_is_a_folder_of_bundles(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mood").mkdir()
    (tmp_path / "mood" / "pipeline.yaml").touch()
    assert check_bundles_folder(tmp_path) == tmp_path
    assert capsys.readouterr().err == ""
    with pytest.raises(typer.BadParameter, match="is a bundle: name the folder that it lies in"):
        check_bundles_folder(tmp_path / "mood")
