"""What graphs run on, and how that is said: nothing stands in for a GPU without being called so."""

from pathlib import Path

import pytest

from serval.inference.runtimes.accelerators import describe_execution, execution
from serval.inference.runtimes.onnx import CPU, CUDA, Execution
from serval.models.deployed_fleets import Accelerator

BOTH = (CUDA, CPU)


@pytest.fixture
def devices(tmp_path: Path) -> Path:
    (tmp_path / "nvidiactl").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("present", "installed", "chosen"),
    [
        ("nvidia0", BOTH, BOTH),
        ("nvidia0", (CPU,), (CPU,)),
        ("null", BOTH, (CPU,)),
        ("neuron0", BOTH, (CPU,)),
    ],
)
def test_cuda_is_chosen_where_there_are_a_gpu_and_a_runtime_for_it(
    devices: Path, present: str, installed: tuple[str, ...], chosen: tuple[str, ...]
) -> None:
    (devices / present).touch()
    assert execution(3, devices, installed) == Execution(3, chosen)


def test_without_a_number_all_cores_are_used(devices: Path) -> None:
    assert execution(0, devices).threads >= 1


@pytest.mark.parametrize(
    ("providers", "declared", "words"),
    [
        (BOTH, "nvidia", "CUDA"),
        ((CPU,), "none", "CPU"),
        ((CPU,), "nvidia", "CPU (stands in for nvidia)"),
        ((CPU,), "neuron", "CPU (stands in for neuron)"),
    ],
)
def test_a_processor_that_stands_in_is_called_so(
    devices: Path, providers: tuple[str, ...], declared: Accelerator, words: str
) -> None:
    assert describe_execution(Execution(1, providers), declared, devices) == words


def test_inferentia_is_called_by_its_name(devices: Path) -> None:
    (devices / "neuron0").touch()
    assert describe_execution(Execution(1), "neuron", devices) == "Neuron"


def test_a_server_that_has_the_accelerator_is_named(devices: Path) -> None:
    words = describe_execution(Execution(1), "neuron", devices, served=True)
    assert words == "inference server (neuron)"
    assert describe_execution(Execution(1), "none", devices, served=True) == "CPU"
