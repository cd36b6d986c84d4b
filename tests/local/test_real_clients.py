"""The real clients of the protocol, unmodified, in an environment of their own."""

import pytest

from tests.fakes.inference import identity
from tests.local.conftest import LocalStage
from tests.local.real_clients import hold_conversation


@pytest.fixture(scope="module")
def echoes(stage: LocalStage, published_models: None) -> None:
    for datatype in ("BYTES", "BOOL", "FP16"):
        stage.publish(f"echo-{datatype.lower()}", identity(datatype, ["n"]), datatype)


CLIENTS = ("tritonclient", "kserve", "kserve_v1", "sagemaker", "mlflow")


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_holds_its_whole_conversation(
    client: str, stage: LocalStage, echoes: None
) -> None:
    hold_conversation(client, stage)
