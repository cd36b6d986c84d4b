"""Custom Python on Lambda: functions of its own, with the packages of its lock."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from layers.dependencies.declarations import VARIANTS
from serval.models.version import DEFAULT_MEMORY_MIB
from serval.settings import unpack
from serval_cli.deploy.assembly import read_notes
from stacks.rollouts.stand_ins import StandIns
from stacks.stage.deployed_models import read_models
from stacks.stage.handler_code import (
    HandlerNotDeployable,
    HandlerPackages,
    handler_code,
    put_in_place,
)
from stacks.stage.handler_image import image_folder
from tests.stacks.conftest import on
from tests.stacks.synthesis import Sources, Synthesised, synthesise

FLEETS = """
fleets:
  - {name: cpu, instance_types: [c7i.large]}
  - {name: hosted, kind: sagemaker, instance_types: [ml.m5.xlarge]}
"""
CODE = "class EndpointHandler:\n    def __call__(self, data):\n        return data\n"


def write_models(models: Path) -> Path:
    for name, yaml, files in (
        ("plain", "name: plain\n", {}),
        ("shelf", "name: shelf\n", {"handler.py": CODE}),
        ("around", "name: around\n", {"handler.py": CODE, "model.onnx": ""}),
        ("large", "name: large\ncompute: {memory_mib: 3008}\n", {"code/inference.py": CODE}),
    ):
        folder = models / name
        (folder / "code").mkdir(parents=True)
        (folder / "model.yaml").write_text(yaml)
        for path, text in files.items():
            (folder / path).write_text(text)
    return models


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return write_models(tmp_path / "models")


def test_a_handler_gets_functions_of_its_own(models: Path) -> None:
    deployed = read_models(models, None)
    assert deployed.own_functions == {"large": 3008, "shelf": DEFAULT_MEMORY_MIB}
    assert {name: folder.name for name, folder in deployed.handlers.items()} == {
        "large": "large",
        "shelf": "shelf",
    }


def test_its_code_is_ours_with_a_folder_of_its_packages(models: Path, tmp_path: Path) -> None:
    packages = HandlerPackages.install("shelf", models / "shelf", "aws", tmp_path / "built")
    made = handler_code("infer", packages, tmp_path / "built")
    assert sorted(path.name for path in made.iterdir()) == ["handler", "handler.py"]
    assert (made / "handler" / "requirements.lock").read_bytes() == b""
    assert list((made / "handler" / "packages").iterdir()) == []
    assert handler_code("infer", packages, tmp_path / "built") == made
    assert handler_code("golden", packages, tmp_path / "built") != made


@pytest.mark.parametrize(
    ("variant", "size_mb", "needed"),
    [("aws", 140, False), ("aws", 141, True), ("local", 141, False)],
)
def test_packages_that_no_zip_has_room_for_need_an_image_on_aws(
    tmp_path: Path, variant: str, size_mb: int, needed: bool
) -> None:
    assert large_packages(tmp_path, size_mb, variant).need_image is needed


def test_packages_that_no_image_has_room_for_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        HandlerNotDeployable, match="have 10001 MB, and an image has room for 10000"
    ):
        image_folder(["infer"], large_packages(tmp_path, 10_001), [], tmp_path / "built")


def large_packages(folder: Path, size_mb: int, layers: str = "aws") -> HandlerPackages:
    """Return packages that take no room on the disk."""
    (folder / "packages").mkdir()
    with (folder / "packages" / "large.so").open("wb") as file:
        file.truncate(size_mb * 1_000_000)
    [variant] = [one for one in VARIANTS if one.name == layers]
    return HandlerPackages("shelf", b"", variant, folder / "packages")


def test_a_package_that_cannot_be_had_is_named_by_uv(models: Path, tmp_path: Path) -> None:
    bundle = models / "shelf"
    (bundle / "requirements.lock").write_text(f"./nowhere.whl --hash=sha256:{'0' * 64}\n")
    with pytest.raises(HandlerNotDeployable, match=r"model 'shelf': its packages: .*nowhere"):
        HandlerPackages.install("shelf", bundle, "aws", tmp_path / "built")


@pytest.fixture(scope="module")
def stage(layers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synthesised]:
    """Synthesise a stage with handlers of every sort; the packages of ``large`` need an image."""
    folder = tmp_path_factory.mktemp("stage")
    models = write_models(folder / "models")
    (folder / "fleets.yaml").write_text(FLEETS)
    for name, fleet in (("far", "cpu"), ("managed", "hosted")):
        (models / name).mkdir()
        (models / name / "model.yaml").write_text(on(name, fleet))
        (models / name / "handler.py").write_text(CODE)
    (models / "graph").mkdir()
    (models / "graph" / "model.yaml").write_text(on("graph", "cpu"))
    with pytest.MonkeyPatch.context() as patching:
        large = property(lambda packages: packages.model == "large")
        patching.setattr(HandlerPackages, "are_large", large)
        yield synthesise(Sources(layers, models, folder / "fleets.yaml"), folder / "out")


def test_its_function_has_that_code_and_may_read_its_own_versions_alone(stage: Synthesised) -> None:
    for name in ("infer-shelf", "golden-shelf"):
        code = json.dumps(stage.function(name)["Code"])
        [asset] = [path for path in stage.folder.glob("asset.*") if path.name[6:] in code]
        assert (asset / "handler" / "requirements.lock").is_file(), name
    reads = [
        json.dumps(statement["Resource"])
        for statement in stage.statements("infer-shelf")
        if "s3:GetObject" in statement["Action"]
    ]
    assert len(reads) == 1
    assert "models/shelf/*" in reads[0]
    routes = {route["RouteKey"] for route in stage.properties("AWS::ApiGatewayV2::Route")}
    assert "POST /models/shelf" in routes


def test_the_shared_function_may_ask_models_own_functions_and_wait_alone(
    stage: Synthesised,
) -> None:
    wait, *asked = [
        resource
        for statement in stage.statements("infer")
        if statement["Action"] == "lambda:InvokeFunction"
        for resource in statement["Resource"]
    ]
    assert [resource["Fn::Join"][1][-1] for resource in asked] == [
        f":function:serval-prod-infer-{model}" for model in ("large", "shelf")
    ]
    assert "wait" in wait["Fn::GetAtt"][0]
    variables = stage.function("infer")["Environment"]["Variables"]
    assert json.loads(unpack(variables["OWN_FUNCTIONS"])) == ["large", "shelf"]
    own = stage.function("infer-shelf")["Environment"]["Variables"]
    assert "OWN_FUNCTIONS" not in own


def test_shards_may_ask_the_functions_of_handlers_alone(stage: Synthesised) -> None:
    asked = [
        resource["Fn::Join"][1][-1]
        for statement in stage.statements("shard")
        if statement["Action"] == "lambda:InvokeFunction"
        for resource in statement["Resource"]
    ]
    assert asked == [f":function:serval-prod-infer-{model}" for model in ("large", "shelf")]
    shard = stage.function("shard")
    assert json.loads(unpack(shard["Environment"]["Variables"]["HANDLERS"])) == ["large", "shelf"]
    assert shard["MemorySize"] == 1769


def test_steps_of_pipelines_ask_handlers_only_by_requests(stage: Synthesised) -> None:
    assert "infer-shelf" in json.dumps(stage.statements("answer"))
    assert "infer-shelf" not in json.dumps(stage.statements("proceed"))
    assert "HANDLERS" not in stage.function("proceed")["Environment"]["Variables"]


def test_what_runs_a_handler_may_read_the_secrets_of_its_model_alone(stage: Synthesised) -> None:
    granted = [
        action_resources(policy, "ssm:GetParameters")
        for policy in stage.properties("AWS::IAM::Policy")
    ]
    assert sorted(filter(None, granted)) == [
        [f":parameter/serval/prod/{name}/*"]
        for name in ("far", "far", "large", "large", "managed", "managed", "shelf", "shelf")
    ]


def test_a_handler_of_a_fleet_has_a_function_for_its_golden_check_alone(
    stage: Synthesised,
) -> None:
    golden = stage.function("golden-far")
    assert (golden["MemorySize"], golden["Timeout"]) == (3008, 300)
    code = json.dumps(golden["Code"])
    [asset] = [path for path in stage.folder.glob("asset.*") if path.name[6:] in code]
    assert (asset / "handler" / "requirements.lock").is_file()
    assert "infer-far" not in stage.functions
    reads = [
        json.dumps(statement["Resource"])
        for statement in stage.statements("golden-far")
        if "s3:GetObject" in statement["Action"]
    ]
    assert reads
    assert all(f"{place}/far/*" in "".join(reads) for place in ("incoming", "staging", "models"))
    variables = stage.function("claim")["Environment"]["Variables"]
    checked = json.loads(unpack(variables["CHECKED_MODELS"]))
    assert checked == ["large", "shelf", "far", "managed"]


def test_the_rollout_may_call_it(stage: Synthesised) -> None:
    called = [
        json.dumps(statement["Resource"])
        for policy in stage.properties("AWS::IAM::Policy")
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Action"] == "lambda:InvokeFunction"
    ]
    assert any("golden-far" in resources and "golden-shelf" in resources for resources in called)


@pytest.mark.parametrize("accelerator", ["nvidia", "neuron"])
def test_a_handler_that_may_need_an_accelerator_has_none(
    models: Path, accelerator: str, tmp_path: Path
) -> None:
    (models / "far").mkdir()
    (models / "far" / "model.yaml").write_text(on("far", "fast"))
    (models / "far" / "handler.py").write_text(CODE)
    types = {"nvidia": "g6.xlarge", "neuron": "inf2.xlarge"}[accelerator]
    fleets = tmp_path / "fleets.yaml"
    fleets.write_text(
        f"fleets: [{{name: fast, accelerator: {accelerator}, instance_types: [{types}]}}]"
    )
    deployed = read_models(models, fleets)
    assert list(deployed.fleet_handlers) == ["far"]
    assert deployed.stand_ins == {}


def test_packages_that_no_function_can_have_are_noted(
    models: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fleets = tmp_path / "fleets.yaml"
    fleets.write_text(FLEETS)
    for name in ("far", "wide"):
        (models / name).mkdir()
        (models / name / "model.yaml").write_text(on(name, "cpu"))
        (models / name / "handler.py").write_text(CODE)
    (models / "far" / "requirements.lock").write_text(f"./no.whl --hash=sha256:{'0' * 64}\n")
    monkeypatch.setattr(HandlerPackages, "are_large", True)
    found = StandIns.install(read_models(models, fleets), "aws")
    assert found.packages == {}
    assert "its packages:" in found.unchecked["far"]
    assert found.unchecked["wide"].endswith("a zip has room for 140")


def test_functions_of_a_large_handler_are_one_image(stage: Synthesised) -> None:
    for name in ("infer", "golden"):
        function = stage.function(f"{name}-large")
        assert function["PackageType"] == "Image"
        assert function["ImageConfig"] == {"Command": [f"{name}.handler.handler"]}
        assert function["Architectures"] == ["arm64"]
        assert not {"Layers", "Handler", "Runtime"} & function.keys()
    assets = json.loads((stage.folder / "models.assets.json").read_text())["dockerImages"]
    [image] = {image["source"]["directory"]: image for image in assets.values()}.values()
    assert image["source"]["platform"] == "linux/arm64"
    [said] = read_notes(stage.folder)
    assert said.startswith("model 'large': its packages have 0 MB, and a zip has room for 140: its")
    assert said.endswith("images, which Docker builds at the deploy")


def test_its_image_holds_what_layers_and_code_do(stage: Synthesised) -> None:
    [context] = [path.parent for path in stage.folder.glob("asset.*/Dockerfile")]
    lines = (context / "Dockerfile").read_text().splitlines()
    root = "${LAMBDA_TASK_ROOT}/"
    assert lines == [
        "FROM public.ecr.aws/lambda/python:3.13",
        f"COPY layers/ {root}",
        f"COPY handler/ {root}handler/",
        f"COPY functions/ {root}",
    ]
    files = {str(path.relative_to(context)) for path in context.rglob("*") if path.is_file()}
    assert files == {
        "Dockerfile",
        "functions/golden/handler.py",
        "functions/infer/handler.py",
        "handler/requirements.lock",
        "layers/core.py",
        "layers/inference.py",
        "layers/tasks.py",
    }


def action_resources(policy: Any, action: str) -> list[str]:
    """Return the ends of the ARNs that a policy grants an action on."""
    return [
        statement["Resource"]["Fn::Join"][1][-1]
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Action"] == action
    ]


def test_code_that_another_process_has_put_in_place_is_left_there(tmp_path: Path) -> None:
    made, target = tmp_path / "made", tmp_path / "code-of-a-digest"
    for folder, text in ((made, "late"), (target, "early")):
        folder.mkdir()
        (folder / "handler.py").write_text(text)
    put_in_place(made, target)
    assert (target / "handler.py").read_text() == "early"


def test_code_that_cannot_be_put_in_place_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        put_in_place(tmp_path / "absent", tmp_path / "target")
