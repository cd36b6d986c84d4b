"""The models of the repository that declare a function of their own."""

from collections.abc import Mapping
from pathlib import Path

from serval.bundle import MODEL_YAML, Bundle
from serval.errors import BundleRefused
from serval.model_yaml import read_bundle

SHARED = "*"
"""Stands for every model without a function of its own."""


def own_functions(models: Path) -> Mapping[str, int]:
    """Give the memory in MiB of each model's own function, from ``models/*/model.yaml``.

    Raises
    ------
    BundleRefused
        If a ``model.yaml`` is wrong.
    ValueError
        If two folders declare a function for the same model.
    """
    memory_mib: dict[str, int] = {}
    for path in sorted(models.glob(f"*/{MODEL_YAML}")):
        bundle = read(path)
        if bundle.compute.memory_mib is None:
            continue
        if bundle.name in memory_mib:
            raise ValueError(f"{path}: model {bundle.name!r} is declared in another folder too")
        memory_mib[bundle.name] = bundle.compute.memory_mib
    return memory_mib


def read(path: Path) -> Bundle:
    """Read a ``model.yaml``, naming its folder in what is wrong with it."""
    try:
        return read_bundle(path.read_bytes())
    except BundleRefused as refused:
        folder = path.parent.name
        raise BundleRefused([f"{folder}/{reason}" for reason in refused.reasons]) from None
