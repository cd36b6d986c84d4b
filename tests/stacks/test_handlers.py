"""Custom Python on Lambda: functions of its own, with the packages of its lock."""

import json
from pathlib import Path
from typing import Any

import pytest

from stacks.stage.deployed_models import HANDLER_MEMORY_MIB, read_models
from stacks.stage.handler_code import HandlerNotDeployable, check_size, handler_code, put_in_place
from tests.stacks.conftest import on
from tests.stacks.synthesis import Sources, synthesise

FLEETS = """
fleets:
  - {name: cpu, instance_types: [c7i.large]}
  - {name: hosted, kind: sagemaker, instance_types: [ml.m5.xlarge]}
"""
CODE = "class EndpointHandler:\n    def __call__(self, data):\n        return data\n"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for name, yaml, files in (
        ("plain", "name: plain\n", {}),
        ("shelf", "name: shelf\n", {"handler.py": CODE}),
        ("around", "name: around\n", {"handler.py": CODE, "model.onnx": ""}),
        ("large", "name: large\ncompute: {memory_mib: 3008}\n", {"code/inference.py": CODE}),
    ):
        folder = tmp_path / "models" / name
        (folder / "code").mkdir(parents=True)
        (folder / "model.yaml").write_text(yaml)
        for path, text in files.items():
            (folder / path).write_text(text)
    return tmp_path / "models"


def test_a_handler_gets_functions_of_its_own(models: Path) -> None:
    deployed = read_models(models, None)
    assert deployed.own_functions == {"large": 3008, "shelf": HANDLER_MEMORY_MIB}
    assert {name: folder.name for name, folder in deployed.handlers.items()} == {
        "large": "large",
        "shelf": "shelf",
    }


def test_its_code_is_ours_with_a_folder_of_its_packages(models: Path, tmp_path: Path) -> None:
    bundle = models / "shelf"
    made = handler_code("infer", "shelf", bundle, "aws", tmp_path / "built")
    assert sorted(path.name for path in made.iterdir()) == ["handler", "handler.py"]
    assert (made / "handler" / "requirements.lock").read_bytes() == b""
    assert list((made / "handler" / "packages").iterdir()) == []
    assert handler_code("infer", "shelf", bundle, "aws", tmp_path / "built") == made
    assert handler_code("golden", "shelf", bundle, "aws", tmp_path / "built") != made


def test_packages_that_do_not_fit_a_function_are_refused(tmp_path: Path) -> None:
    with (tmp_path / "large.so").open("wb") as file:
        file.truncate(141_000_000)
    with pytest.raises(HandlerNotDeployable, match="have 141 MB, and a function has room for 140"):
        check_size("shelf", tmp_path)


def test_a_package_that_cannot_be_had_is_named_by_uv(models: Path, tmp_path: Path) -> None:
    bundle = models / "shelf"
    (bundle / "requirements.lock").write_text(f"./nowhere.whl --hash=sha256:{'0' * 64}\n")
    with pytest.raises(HandlerNotDeployable, match=r"model 'shelf': its packages: .*nowhere"):
        handler_code("infer", "shelf", bundle, "aws", tmp_path / "built")


def test_its_function_has_that_code_and_may_read_its_own_versions_and_secrets_alone(
    models: Path, layers: Path, tmp_path: Path
) -> None:
    (tmp_path / "fleets.yaml").write_text(FLEETS)
    for name, fleet in (("far", "cpu"), ("managed", "hosted")):
        (models / name).mkdir()
        (models / name / "model.yaml").write_text(on(name, fleet))
        (models / name / "handler.py").write_text(CODE)
    (models / "graph").mkdir()
    (models / "graph" / "model.yaml").write_text(on("graph", "cpu"))
    stage = synthesise(Sources(layers, models, tmp_path / "fleets.yaml"), tmp_path / "out")
    for name in ("infer-shelf", "golden-shelf"):
        code = json.dumps(stage.function(name)["Code"])
        [asset] = [path for path in (tmp_path / "out").glob("asset.*") if path.name[6:] in code]
        assert (asset / "handler" / "requirements.lock").is_file(), name
    reads = [
        json.dumps(statement["Resource"])
        for statement in stage.statements("infer-shelf")
        if "s3:GetObject" in statement["Action"]
    ]
    assert len(reads) == 1
    assert "models/shelf/*" in reads[0]
    secrets = {
        role: action_resources(policy, "ssm:GetParameters")
        for policy in stage.properties("AWS::IAM::Policy")
        for role in [policy["Roles"][0]["Ref"]]
        if action_resources(policy, "ssm:GetParameters")
    }
    assert sorted(secrets.values()) == [
        [f":parameter/serval/prod/{name}/*"]
        for name in ("far", "large", "large", "managed", "shelf", "shelf")
    ]
    routes = {route["RouteKey"] for route in stage.properties("AWS::ApiGatewayV2::Route")}
    assert {"POST /models/shelf", "POST /models/shelf/versions/{version}"} <= routes


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
