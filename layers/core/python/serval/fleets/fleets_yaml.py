"""Read ``fleets.yaml``, and choose of it what a stage's models need."""

from collections.abc import Mapping

from serval.bundle import Bundle
from serval.errors import BundleRefused
from serval.fleets.declaration import FLEETS_YAML, Fleet, FleetsFile
from serval.models.deployed_fleets import DeployedFleet, Fleets
from serval.yaml_files import read_section


def read_fleets(text: bytes | str) -> Mapping[str, Fleet]:
    """Parse and validate ``fleets.yaml``: its fleets by name.

    Raises
    ------
    BundleRefused
        With every mistake found: the key, its value and what was expected.
    """
    return {fleet.name: fleet for fleet in read_section(text, FLEETS_YAML, FleetsFile).fleets}


def deployed_fleets(declared: Mapping[str, Fleet], bundles: Mapping[str, Bundle]) -> Fleets:
    """Give the fleets that models of the stage name, each with its models.

    Raises
    ------
    BundleRefused
        If a bundle names a fleet that is not declared.
    """
    models: dict[str, list[str]] = {}
    reasons = []
    for name, bundle in sorted(bundles.items()):
        fleet = bundle.compute.fleet
        if fleet is None:
            continue
        if fleet not in declared:
            reasons.append(f"model {name!r}: compute.fleet: {fleet!r} given, {_expected(declared)}")
        models.setdefault(fleet, []).append(name)
    if reasons:
        raise BundleRefused(reasons)
    return Fleets({name: _deployed(declared[name], models[name]) for name in models})


def _expected(declared: Mapping[str, Fleet]) -> str:
    if not declared:
        return "and no fleets are declared: --fleets FILE names the file that declares them"
    return f"one of {FLEETS_YAML} expected, which has: {', '.join(declared)}"


def _deployed(fleet: Fleet, models: list[str]) -> DeployedFleet:
    return DeployedFleet(
        name=fleet.name,
        kind=fleet.kind,
        accelerator=fleet.accelerator,
        minimum=fleet.minimum,
        maximum=fleet.maximum,
        target_age_seconds=fleet.target_age_seconds,
        idle_seconds=fleet.idle_seconds,
        trusted=fleet.trusted,
        models=tuple(models),
    )
