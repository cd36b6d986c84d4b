"""serval_cli/stages/stage.py and local_stage.py: the stage to work on."""

import json
import socket
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from serval.errors import ModelNotFound
from serval_cli.failures import CommandFailed, explain
from serval_cli.known_models import know_models
from serval_cli.stages.choice import CREDENTIALS, FILES, forget, remember
from serval_cli.stages.stage import Stage, find_stage
from tests.fakes.requests import FLEETS

OUTPUTS = {
    "serval-prod-storage": {"ArtifactBucketName": "artifacts", "RegistryTableName": "registry"},
    "serval-prod-api": {
        "ApiUrl": "https://api/",
        "Functions": '{"infer": "infer-123"}',
        "OwnFunctions": '["own"]',
        "Fleets": FLEETS.to_text(),
    },
}


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment without a stage, and its state folder."""
    for variable in (*CREDENTIALS, "AWS_REGION", "AWS_DEFAULT_REGION", "SERVAL_STAGE"):
        monkeypatch.delenv(variable, raising=False)
    for variable, _ in FILES:
        monkeypatch.setenv(variable, str(tmp_path / "absent"))
    monkeypatch.setenv("SERVAL_STATE", str(tmp_path))
    return tmp_path


@pytest.fixture
def listening() -> Iterator[str]:
    """An address where something listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


class Terminal(StringIO):
    """A stream that people sit at."""

    def isatty(self) -> bool:
        return True


def write_local(state: Path, endpoint: str) -> None:
    access = {"api_url": "http://a", "api_key": "srv_local", "region": "us-east-1"}
    access |= {"aws_endpoint_url": endpoint, "artifact_bucket": "a", "data_bucket": "d"}
    (state / "local.json").write_text(json.dumps(access))


def test_the_local_stage_is_worked_on_where_it_is_the_only_one(state: Path, listening: str) -> None:
    write_local(state, listening)
    stage = find_stage(None)
    assert (stage.name, stage.api_url, stage.artifact_bucket) == ("local", "http://a", "a")


@pytest.mark.parametrize("credentials", [False, True])
def test_no_stage_in_aws_is_worked_on_unasked(
    monkeypatch: pytest.MonkeyPatch, credentials: bool
) -> None:
    if credentials:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    with pytest.raises(CommandFailed, match=r"no stage is chosen: `serval use STAGE`"):
        find_stage(None)


def test_what_was_meant_for_a_dead_local_stage_goes_nowhere_else(state: Path) -> None:
    write_local(state, "http://127.0.0.1:1")
    with pytest.raises(CommandFailed, match="the local stage does not answer"):
        find_stage(None)


def test_two_candidates_and_no_choice_are_an_error_without_a_terminal(
    state: Path, listening: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_local(state, listening)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    with pytest.raises(CommandFailed, match=r"the local one, and credentials for AWS"):
        find_stage(None)


def test_two_candidates_and_no_choice_are_a_question_on_a_terminal(
    state: Path, listening: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_local(state, listening)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    asked = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal("canary\n"))
    monkeypatch.setattr(sys, "stderr", asked)
    assert find_stage(None).name == "canary"
    assert "Which one? [local, prod, …]" in asked.getvalue()


def test_a_remembered_stage_is_worked_on_until_it_is_forgotten(state: Path, listening: str) -> None:
    write_local(state, listening)
    remember("prod")
    assert find_stage(None).name == "prod"
    assert find_stage("local").name == "local"
    forget()
    assert find_stage(None).name == "local"


def test_a_command_that_writes_says_where(
    state: Path, listening: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_local(state, listening)
    find_stage("local", writes=True)
    assert capsys.readouterr().err == f"stage local: this machine, {listening}\n"


def test_a_deployed_stage_names_its_account_and_region() -> None:
    stage, _ = deployed_stage()
    assert stage.place == "AWS account 123456789012, eu-central-1"


def test_a_stage_asked_for_by_name_is_that_stage(state: Path, listening: str) -> None:
    write_local(state, listening)
    stage = find_stage("canary")
    assert (stage.name, stage.local) == ("canary", None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "there is no local stage: `serval local up"),
        ("{", "local.json is not JSON"),
        ("[]", "a JSON object expected"),
        ('{"api_url": "x", "region": 1}', "has no api_key, aws_endpoint_url, region"),
    ],
)
def test_a_local_stage_that_cannot_be_used_says_why(
    state: Path, text: str | None, said: str
) -> None:
    if text is not None:
        (state / "local.json").write_text(text)
    with pytest.raises(CommandFailed, match=said):
        find_stage("local")


def test_a_local_stage_that_does_not_answer_says_where(state: Path) -> None:
    write_local(state, "http://127.0.0.1:1")
    with pytest.raises(CommandFailed, match=r"does not answer at http://127.0.0.1:1"):
        find_stage("local")


@pytest.mark.parametrize("name", ["", "Prod", "a--b", "-a", "x" * 25])
def test_a_stage_name_is_checked_before_anything_is_asked(name: str) -> None:
    with pytest.raises(CommandFailed, match="lower-case letters"):
        find_stage(name)


def test_the_local_stage_takes_nothing_from_the_users_aws_configuration(
    state: Path, listening: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "absent")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://elsewhere")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    write_local(state, listening)
    stage = find_stage("local")
    client = stage.client("s3")
    assert (client.meta.endpoint_url, client.meta.region_name) == (listening, "us-east-1")
    assert stage.session.get_credentials().access_key == "test"


def test_both_region_variables_are_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert find_stage("prod").session.region_name == "eu-west-1"
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    assert find_stage("prod").session.region_name == "eu-central-1"


def test_a_bad_endpoint_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "nonsense")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    with pytest.raises(CommandFailed, match=r"nonsense.*AWS_ENDPOINT_URL"):
        find_stage("prod").client("s3")


class DeployedStacks:
    """A session of an account in which some stacks are deployed."""

    region_name = "eu-central-1"

    def __init__(self, stacks: dict[str, dict[str, str]]) -> None:
        self.stacks = stacks
        self.asked: list[str] = []

    def client(self, service: str, **_: Any) -> Any:
        assert service == "cloudformation"
        return self

    def describe_stacks(self, StackName: str) -> Any:  # noqa: N803
        self.asked.append(StackName)
        if StackName not in self.stacks:
            message = f"Stack with id {StackName} does not exist"
            raise ClientError(
                {"Error": {"Code": "ValidationError", "Message": message}}, "DescribeStacks"
            )
        outputs = self.stacks[StackName].items()
        stack = f"arn:aws:cloudformation:{self.region_name}:123456789012:stack/{StackName}/1"
        listed = [{"OutputKey": key, "OutputValue": value} for key, value in outputs]
        return {"Stacks": [{"StackId": stack, "Outputs": listed}]}


def deployed_stage(stacks: dict[str, dict[str, str]] = OUTPUTS) -> tuple[Stage, DeployedStacks]:
    session: Any = DeployedStacks(stacks)
    return Stage("prod", session), session


def test_a_deployed_stage_is_what_its_stacks_say() -> None:
    stage, session = deployed_stage()
    assert stage.artifact_bucket == "artifacts"
    assert stage.output("storage", "RegistryTableName") == "registry"
    assert stage.api_url == "https://api"
    assert stage.functions == {
        "infer": "infer-123",
        "infer-own": "serval-prod-infer-own",
        "golden-own": "serval-prod-golden-own",
    }
    assert stage.fleets == FLEETS
    assert session.asked == ["serval-prod-storage", "serval-prod-api"]


def test_a_stage_that_is_not_deployed_says_what_to_do() -> None:
    stage, _ = deployed_stage({})
    with pytest.raises(
        CommandFailed, match=r"not deployed in eu-central-1.*serval deploy.*--stage"
    ):
        _ = stage.artifact_bucket


@pytest.mark.parametrize(
    ("region", "said"), [(None, "no AWS region: set AWS_REGION"), ("eu-west-1", "no AWS cred")]
)
def test_a_stage_in_aws_that_was_not_meant_is_named(
    region: str | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    if region:
        monkeypatch.setenv("AWS_REGION", region)
    with pytest.raises(CommandFailed, match="stage 'production', which --stage") as refused:
        find_stage("production", writes=True)
    assert said in str(refused.value)


def test_a_stack_without_an_output_is_an_old_one() -> None:
    stage, _ = deployed_stage({"serval-prod-api": {}})
    with pytest.raises(CommandFailed, match="serval-prod-api has no output ApiUrl: deploy it"):
        _ = stage.api_url


def test_the_key_given_goes_before_the_local_stages_own(state: Path, listening: str) -> None:
    write_local(state, listening)
    stage = find_stage("local")
    assert (stage.api_key("srv_mine"), stage.api_key(None)) == ("srv_mine", "srv_local")


def test_a_deployed_stage_has_no_key_of_its_own() -> None:
    with pytest.raises(CommandFailed, match="--api-key or set SERVAL_API_KEY"):
        Stage("prod", boto3.Session()).api_key(None)


def test_async_requests_are_reached_through_what_the_stage_has(state: Path, listening: str) -> None:
    write_local(state, listening)
    stage = find_stage("local")
    stage._outputs["serval-local-storage"] = {
        "RequestsTableName": "requests",
        "RegistryTableName": "registry",
    }
    stage._outputs["serval-local-api"] = {"Fleets": "{}"}
    assert stage.requests.table.name == "requests"
    assert stage.fleet_states.table.name == "registry"
    assert (stage.queues.stage, stage.payloads.bucket) == ("local", "d")


def test_a_model_that_is_not_there_is_answered_with_the_name_that_was_meant() -> None:
    know_models(lambda: ["iris", "digits"])
    assert str(explain(ModelNotFound("irsi"))).endswith("; did you mean 'iris'?")
    assert "did you mean" not in str(explain(ModelNotFound("other")))

    def gone() -> list[str]:
        raise CommandFailed("the stage does not answer")

    know_models(gone)
    assert "did you mean" not in str(explain(ModelNotFound("irsi")))
