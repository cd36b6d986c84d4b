"""The real clients of the protocol, unmodified, in an environment of their own."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.fakes.inference import identity
from tests.local.conftest import LocalStage

HERE = Path(__file__).parent
PYTHON = HERE.parents[1] / "build" / "environments" / "clients" / "bin" / "python"


@pytest.fixture(scope="module")
def echoes(stage: LocalStage, published_models: None) -> None:
    for datatype in ("BYTES", "BOOL", "FP16"):
        stage.publish(f"echo-{datatype.lower()}", identity(datatype, ["n"]), datatype)


CLIENTS = ("tritonclient", "kserve", "kserve_v1", "sagemaker", "mlflow")


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_holds_its_whole_conversation(
    client: str, stage: LocalStage, echoes: None
) -> None:
    assert PYTHON.exists(), "run `make test`: it makes build/environments/clients"
    run = subprocess.run(
        [
            *(PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore"),
            *("--confcutdir", HERE / "clients", "-c", os.devnull, "--import-mode=importlib"),
            HERE / "clients" / f"test_{client}.py",
        ],
        env=os.environ | {"SERVAL_API_URL": stage.api_url, "SERVAL_API_KEY": stage.api_key},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    print(run.stdout.splitlines()[-1])
