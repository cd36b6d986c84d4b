"""Accelerators: what the machine has, and how a worker describes it."""

import os
from collections.abc import Sequence
from pathlib import Path

import onnxruntime

from serval.inference.runtimes.onnx import CPU, CUDA, Execution
from serval.models.deployed_fleets import Accelerator

DEVICES = Path("/dev")


def has_nvidia(devices: Path = DEVICES) -> bool:
    """Return whether this process can see an NVIDIA GPU."""
    return any(devices.glob("nvidia[0-9]*"))


def has_neuron(devices: Path = DEVICES) -> bool:
    """Return whether this process can see an Inferentia or Trainium device."""
    return any(devices.glob("neuron[0-9]*"))


def execution(
    threads: int, devices: Path = DEVICES, installed: Sequence[str] | None = None
) -> Execution:
    """Choose what graphs run on: CUDA where ONNX Runtime has it and a GPU is there, else the CPU.

    Parameters
    ----------
    threads
        Of a run on the CPU; 0: as many as this process may use.
    installed
        Execution providers; None: those of the ONNX Runtime that is installed.
    """
    threads = threads or len(os.sched_getaffinity(0))
    installed = onnxruntime.get_available_providers() if installed is None else installed
    if CUDA in installed and has_nvidia(devices):
        return Execution(threads, (CUDA, CPU))
    return Execution(threads)


def describe_execution(
    chosen: Execution,
    declared: Accelerator,
    devices: Path = DEVICES,
    *,
    served: bool = False,
) -> str:
    """Describe what a worker runs on, including a CPU that stands in for an accelerator.

    Parameters
    ----------
    served
        An inference server beside the worker has the accelerator in its stead.
    """
    if served and declared != "none":
        return f"inference server ({declared})"
    if chosen.providers[0] == CUDA:
        return "CUDA"
    if declared == "neuron" and has_neuron(devices):
        return "Neuron"
    return "CPU" if declared == "none" else f"CPU (stands in for {declared})"
