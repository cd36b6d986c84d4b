"""What is deployed, against what a bundle needs."""

import pytest

from serval.bootstrap.rollouts.verify import deployment
from serval.bundles.bundle import Bundle, Compute
from serval.bundles.runtime_section import Runtime
from serval.bundles.verification.deployment import Deployment
from serval.models.deployed_fleets import DeployedFleet, Fleets
from serval.rollouts.settings import VerifySettings
from tests.fakes.served import FLEETS

MEBIBYTE, GIBIBYTE = 2**20, 2**30
STAGE = Deployment({"*": 1024, "digits": 1769}, 512)
HEAVY = Deployment({"*": 1024, "digits": 1769}, 512, FLEETS)
DEPLOY = "run `serval deploy --models DIR`, where DIR has the bundle in a folder of its own"


def bundle(name: str = "iris", **compute: object) -> Bundle:
    return Bundle(name=name, compute=Compute(**compute))  # type: ignore[arg-type]


def test_the_deployment_is_read_from_the_settings():
    environment = {
        "AWS_REGION": "eu-central-1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "3008",
        "FUNCTIONS": '{"*": 1024, "digits": 1769}',
    }
    with_fleets = environment | {"FLEETS": FLEETS.to_text()}

    assert deployment(VerifySettings.from_environment(environment)) == STAGE
    assert deployment(VerifySettings.from_environment(with_fleets)) == HEAVY


@pytest.mark.parametrize(
    "served", [bundle(), bundle("digits"), bundle("digits", memory_mib=1769)], ids=str
)
def test_a_light_model_is_served_as_it_stands(served: Bundle):
    assert STAGE.reasons(served, 100 * MEBIBYTE) == []


@pytest.mark.parametrize(
    ("asked", "deployed"),
    [
        (bundle(memory_mib=512), "is not deployed"),
        (bundle("digits", memory_mib=512), "has 1769 MiB"),
    ],
)
def test_another_memory_needs_a_deploy(asked: Bundle, deployed: str):
    assert STAGE.reasons(asked, 1) == [
        f"compute.memory_mib: 512 needs a function of the model's own, which {deployed}: {DEPLOY}"
    ]


def test_a_fleet_needs_a_deploy():
    (found,) = STAGE.reasons(bundle(target="fleet", fleet="gpu"), 1)

    assert "runs on fleet 'gpu', which this stage does not have" in found
    assert "run `serval deploy --models DIR`" in found


@pytest.mark.parametrize(("model", "fleet"), [("textgen", "gpu"), ("plain", "cpu")])
def test_a_fleet_model_is_served_as_it_stands_if_the_machine_has_the_disk(model: str, fleet: str):
    """Its worker knows the machine's memory, and refuses at load."""
    asked = bundle(model, target="fleet", fleet=fleet)
    assert HEAVY.reasons(asked, 90 * GIBIBYTE) == []
    (found,) = HEAVY.reasons(asked, 91 * GIBIBYTE)
    assert found == (
        "the artifact takes 91.0 GiB of disk, and versions may take 90 of the 100 GiB of a machine "
        f"of fleet '{fleet}': set 'disk_gib: 101' or more in fleets.yaml, {DEPLOY}"
    )


@pytest.mark.parametrize(
    ("server", "most", "more", "said"),
    [("lmi", 62, 64, "of disk, and"), ("triton", 31, 32, "of disk, twice during a rollout, and")],
)
def test_what_a_server_holds_at_once_must_fit_its_share_of_the_disk(
    server: str, most: int, more: int, said: str
):
    runtime = Runtime(kind="http", server=server)  # type: ignore[arg-type]
    asked = bundle("textgen", target="fleet", fleet="gpu").model_copy(update={"runtime": runtime})
    assert HEAVY.reasons(asked, most * GIBIBYTE) == []
    (found,) = HEAVY.reasons(asked, more * GIBIBYTE)
    assert said in found
    assert "63 of the 100 GiB of a machine of fleet 'gpu': set 'disk_gib: 102'" in found


def test_an_endpoint_s_disk_is_sagemaker_s():
    asked = bundle("vision", target="fleet", fleet="managed")
    assert HEAVY.reasons(asked, 900 * GIBIBYTE) == []


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (
            bundle("textgen", target="fleet", fleet="cpu"),
            "model 'textgen' is deployed on fleet 'gpu', and the bundle is for fleet 'cpu': "
            f"{DEPLOY}",
        ),
        (
            bundle("new", target="fleet", fleet="gpu"),
            f"model 'new' runs on fleet 'gpu', which does not answer for it yet: {DEPLOY}",
        ),
        (
            bundle("digits", target="fleet", fleet="gpu"),
            "model 'digits' is deployed on Lambda, with a function of its own of 1769 MiB, and "
            f"the bundle is for fleet 'gpu': {DEPLOY}",
        ),
        (
            bundle("textgen"),
            "model 'textgen' is deployed on fleet 'gpu', and the bundle is for Lambda: set "
            f"'compute: {{target: fleet, fleet: gpu}}', or {DEPLOY}",
        ),
    ],
)
def test_what_is_deployed_elsewhere_needs_a_deploy(asked: Bundle, reason: str):
    assert HEAVY.reasons(asked, 1) == [reason]


def test_a_graph_is_nothing_for_neuron_chips():
    (found,) = HEAVY.reasons(bundle("compiled", target="fleet", fleet="inf"), 1)

    assert found.startswith("a precompiled Neuron archive is expected: fleet 'inf' has AWS Neuron")
    assert "'runtime: {kind: http, server: neuron, protocol: openai}', which is vLLM, or" in found


def test_two_versions_must_fit_the_memory_beside_requests():
    largest = int((1024 - 200 - 192) / 5 * MEBIBYTE)

    assert STAGE.reasons(bundle(), largest) == []
    (found,) = STAGE.reasons(bundle(), largest + MEBIBYTE)
    assert "need 1029 MiB of memory and the function has 1024" in found
    assert "set 'compute: {memory_mib: 1029}', run `serval deploy" in found


def test_a_model_s_own_function_is_what_counts():
    assert STAGE.reasons(bundle("digits"), 250 * MEBIBYTE) == []
    assert len(STAGE.reasons(bundle("iris"), 250 * MEBIBYTE)) == 1


def test_a_model_past_lambda_is_sent_to_a_fleet():
    found = STAGE.reasons(bundle(), 3000 * MEBIBYTE)

    assert "Lambda ends at 10240 MiB; use 'compute: {target: fleet}'" in found[0]


def test_two_versions_must_fit_the_ephemeral_storage():
    large = Deployment({"*": 10_240}, 512)

    assert large.reasons(bundle(), 256 * MEBIBYTE) == []
    (found,) = large.reasons(bundle(), 257 * MEBIBYTE)
    assert "need 514 MiB of ephemeral storage and the function has 512" in found


def test_a_containers_image_is_the_one_that_is_deployed():
    gpu = DeployedFleet(name="gpu", image="r/m:1", models=("boxed",))
    stage = Deployment({"*": 1024}, 512, Fleets({"gpu": gpu}))
    runtime = {"kind": "container", "image": "r/m:2", "protocol": "http"}
    boxed = Bundle.model_validate(
        {"name": "boxed", "compute": {"target": "fleet", "fleet": "gpu"}, "runtime": runtime}
    )
    assert stage.reasons(boxed, 1) == [
        f"runtime.image: r/m:2 given, and beside the workers of fleet 'gpu' runs r/m:1: {DEPLOY}"
    ]
    same = boxed.model_copy(update={"runtime": Runtime(**runtime | {"image": "r/m:1"})})
    assert stage.reasons(same, 1) == []
