"""`serval local env`: what a shell needs to call the stage."""

import json
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from serval_cli.local.commands import NotUp, local_app

ACCESS = {
    "api_url": "http://127.0.0.1:4600/a/$default",
    "api_key": "srv_local",
    "aws_endpoint_url": "http://127.0.0.1:4600",
    "region": "us-east-1",
    "artifact_bucket": "artifacts",
    "data_bucket": "data",
}


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SERVAL_STATE", str(tmp_path))
    (tmp_path / "local.json").write_text(json.dumps(ACCESS))
    return tmp_path


def test_a_shell_takes_the_variables_as_they_are(state: Path) -> None:
    printed = CliRunner().invoke(local_app, ["env"]).stdout
    typed = 'eval "$1"; echo "$API $KEY $DATA_BUCKET"'
    shell = ["bash", "-c", typed, "bash", printed]
    run = subprocess.run(shell, capture_output=True, text=True, check=True)
    assert run.stdout.split() == [ACCESS["api_url"], "srv_local", "data"]


def test_the_aws_cli_gets_an_endpoint_and_credentials(state: Path) -> None:
    printed = json.loads(CliRunner().invoke(local_app, ["env", "--aws", "--json"]).stdout)
    assert printed["AWS_ENDPOINT_URL"] == ACCESS["aws_endpoint_url"]
    assert printed["AWS_ACCESS_KEY_ID"] == printed["AWS_SECRET_ACCESS_KEY"] == "test"


def test_without_a_stage_there_is_nothing_to_print(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVAL_STATE", str(tmp_path))
    assert isinstance(CliRunner().invoke(local_app, ["env"]).exception, NotUp)
