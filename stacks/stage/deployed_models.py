"""Read what the repository's models need from a stage: own functions, fleets, schedules."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from serval.bundles.bundle import MODEL_YAML, Bundle
from serval.bundles.runtime_section import Runtime
from serval.bundles.schedules import dead_letters_name
from serval.errors import BundleRefused
from serval.fleets.declaration import FLEETS_YAML, Fleet, read_fleets
from serval.fleets.prices import PRICES
from serval.models.deployed_fleets import DeployedFleet, Fleets
from serval.models.resource_names import (
    DEAD,
    callbacks_queue_name,
    candidate_queue_name,
    dead_letter_queue_name,
    light_queue_name,
    queue_name,
    shards_queue_name,
)
from serval.models.server_declaration import ONE_MODEL, fills_a_machine
from serval.models.version import DEFAULT_MEMORY_MIB
from stacks.stage.bundle_folders import DeclaredTwice, read_model_folder
from stacks.stage.clock_entries import ClockEntries, entries_of, read_schedules

SHARED = "*"
"""Stands for all models without a function of their own."""
STAGE = "any"
MACHINES_OF_A_CANARY = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployedModels:
    """The needs of a stage's models."""

    own_functions: Mapping[str, int]
    """Memory in MiB of each model's own function."""
    writers: frozenset[str]
    """Models of text generation, which may stream."""
    fleets: Fleets
    """The fleets that models name, with their models."""
    declared: Mapping[str, Fleet]
    """The same fleets as declared in ``fleets.yaml``."""
    servers: Mapping[str, Runtime]
    """Fleet → the inference server beside its worker, where there is one."""
    scheduled: Mapping[str, ClockEntries]
    """Model → what starts by the clock, for bundles with schedules."""
    handlers: Mapping[str, Path]
    """Model → its bundle's folder, for custom Python on Lambda."""
    fleet_handlers: Mapping[str, Path]
    """Model → its bundle's folder, for custom Python on fleets."""

    @property
    def graph_memories(self) -> Sequence[int]:
        """Memory in MiB of the own functions of models that are no custom Python."""
        return [mib for name, mib in self.own_functions.items() if name not in self.handlers]

    @property
    def stand_ins(self) -> Mapping[str, Path]:
        """Model → its bundle's folder, for custom Python that a function can try for a fleet."""
        plain = [fleet for fleet in self.fleets.by_name.values() if fleet.accelerator == "none"]
        models = {model for fleet in plain for model in fleet.models}
        return {name: self.fleet_handlers[name] for name in self.fleet_handlers if name in models}

    def machine_prices_json(self) -> str:
        """Return the known prices of spot fleets' machines, in microdollars an hour.

        The price is that of the fleet's preferred type, on the spot market if it has one there.
        """
        spot = {name: fleet for name, fleet in self.declared.items() if fleet.kind == "spot"}
        known = {name: PRICES.get(fleet.instance_types[0]) for name, fleet in spot.items()}
        prices = {
            name: round((price.spot or price.on_demand) * 1e6)
            for name, price in known.items()
            if price is not None
        }
        return json.dumps(prices, separators=(",", ":"))


def read_models(models: Path, fleets: Path | None, *, light_alone: bool = False) -> DeployedModels:
    """Read ``models/*/model.yaml`` and ``fleets.yaml``, which may be missing.

    Parameters
    ----------
    light_alone
        Whether models on fleets are left out.

    Raises
    ------
    BundleRefused
        If a file is invalid, or a model names an unknown fleet.
    DeclaredTwice
        If two folders declare the same model, and one of them needs a deploy.
    """
    folders = {
        name: (bundle, folder)
        for name, (bundle, folder) in _bundles(models).items()
        if bundle.compute.fleet is None or not light_alone
    }
    bundles = {name: bundle for name, (bundle, _) in folders.items()}
    declared = read_fleets(fleets.read_bytes()) if fleets and fleets.exists() else {}
    deployed = deployed_fleets(declared, bundles)
    servers = _servers(deployed, bundles)
    deployed = Fleets(
        {
            name: replace(
                fleet,
                image=servers[name].image or "",
                paired=_with_candidate_queues(fleet, bundles),
            )
            if name in servers
            else fleet
            for name, fleet in deployed.by_name.items()
        }
    )
    if reasons := [*_name_reasons(deployed)]:
        raise BundleRefused(reasons)
    return DeployedModels(
        own_functions={
            name: bundle.compute.memory_mib or DEFAULT_MEMORY_MIB
            for name, bundle in bundles.items()
            if bundle.compute.memory_mib is not None or _is_light_handler(bundle)
        },
        writers=frozenset(name for name, bundle in bundles.items() if _writes(bundle)),
        fleets=deployed,
        declared={name: declared[name] for name in deployed.by_name},
        servers=servers,
        scheduled=read_schedules(models, bundles),
        handlers={
            name: folder for name, (bundle, folder) in folders.items() if _is_light_handler(bundle)
        },
        fleet_handlers={
            name: folder
            for name, (bundle, folder) in folders.items()
            if bundle.runtime.kind == "python" and not _is_light_handler(bundle)
        },
    )


def _writes(bundle: Bundle) -> bool:
    return bundle.task is not None and bundle.task.name == "text-generation"


def _bundles(models: Path) -> Mapping[str, tuple[Bundle, Path]]:
    bundles: dict[str, tuple[Bundle, Path]] = {}
    for path in sorted(models.glob(f"*/{MODEL_YAML}")):
        bundle = read_model_folder(path)
        other, _ = bundles.setdefault(bundle.name, (bundle, path.parent))
        if other is not bundle and (_needs_deploy(other) or _needs_deploy(bundle)):
            raise DeclaredTwice(path, bundle.name)
    return bundles


def _is_light_handler(bundle: Bundle) -> bool:
    return bundle.runtime.kind == "python" and bundle.compute.target == "lambda"


def _name_reasons(fleets: Fleets) -> Iterator[str]:
    """Return the models whose queues would share a name with another queue, as reasons."""
    callbacks, light = callbacks_queue_name(STAGE), light_queue_name(STAGE)
    taken = {callbacks, callbacks + DEAD, light, light + DEAD, dead_letters_name(STAGE)}
    taken |= {shards_queue_name(STAGE, fleet) for fleet in fleets.by_name}
    for model in sorted(fleets.models):
        own = {queue_name(STAGE, model), dead_letter_queue_name(STAGE, model)}
        if model in fleets.of_model(model).paired:
            own.add(candidate_queue_name(STAGE, model))
        if own & taken:
            yield f"model {model!r}: its queue would have another's name: rename the model"
        taken |= own


def _needs_deploy(bundle: Bundle) -> bool:
    compute = bundle.compute
    own = compute.memory_mib is not None or _is_light_handler(bundle)
    return own or compute.fleet is not None or entries_of(bundle) is not None


def _servers(fleets: Fleets, bundles: Mapping[str, Bundle]) -> Mapping[str, Runtime]:
    """Return the inference server of each fleet that has one."""
    servers: dict[str, Runtime] = {}
    reasons: list[str] = []
    for name, fleet in fleets.by_name.items():
        runtimes = {model: bundles[model].runtime for model in fleet.models}
        if all(not (runtime.server or runtime.image) for runtime in runtimes.values()):
            continue
        servers[name] = next(iter(runtimes.values()))
        reasons += [f"fleet {name!r}: {reason}" for reason in _server_reasons(fleet, runtimes)]
    if reasons:
        raise BundleRefused(reasons)
    return servers


def _with_candidate_queues(fleet: DeployedFleet, bundles: Mapping[str, Bundle]) -> tuple[str, ...]:
    """Return the models whose stable version and candidate may have a machine each."""
    if fleet.maximum < MACHINES_OF_A_CANARY:
        return ()
    return tuple(name for name in fleet.models if fills_a_machine(bundles[name].to_json()))


def _server_reasons(fleet: DeployedFleet, runtimes: Mapping[str, Runtime]) -> Iterator[str]:
    """Return the reasons why a fleet cannot have the server that its models need."""
    names = ", ".join(runtimes)
    if len({(runtime.server or runtime.image, runtime.port) for runtime in runtimes.values()}) > 1:
        said = ", ".join(
            f"{model}: {runtime.server or runtime.image or 'none'} on port {runtime.port}"
            for model, runtime in runtimes.items()
        )
        yield (
            "a server takes the whole accelerator, so all models of a fleet have the same "
            f"'runtime.server' (or 'image') and 'port', or no server; given {said}: declare "
            f"another fleet in {FLEETS_YAML}"
        )
    servers = {runtime.server or runtime.image or "": runtime for runtime in runtimes.values()}
    for server, runtime in sorted(servers.items()):
        if len(runtimes) > 1 and (server in ONE_MODEL or runtime.image):
            yield f"server {server!r} serves one model, and {names} want it: one fleet for each"
    if fleet.kind == "sagemaker":
        yield (
            f"a SageMaker endpoint runs the worker alone, and {names} want 'runtime.server' or a "
            "container beside it: use a spot fleet"
        )


def deployed_fleets(declared: Mapping[str, Fleet], bundles: Mapping[str, Bundle]) -> Fleets:
    """Return the fleets that models name, each with its models.

    Raises
    ------
    BundleRefused
        If a bundle names an undeclared fleet.
    """
    models: dict[str, list[str]] = {}
    reasons = []
    for name, bundle in sorted(bundles.items()):
        fleet = bundle.compute.fleet
        if fleet is None:
            continue
        if fleet not in declared:
            reasons.append(
                f"model {name!r}: compute.fleet: {fleet!r} given, {_expected_fleets(declared)}"
            )
        models.setdefault(fleet, []).append(name)
    if reasons:
        raise BundleRefused(reasons)
    return Fleets({name: _deployed_fleet(declared[name], models[name]) for name in models})


def _expected_fleets(declared: Mapping[str, Fleet]) -> str:
    if not declared:
        return "and no fleets are declared: --fleets FILE names the file that declares them"
    return f"one of {FLEETS_YAML} expected, which has: {', '.join(declared)}"


def _deployed_fleet(fleet: Fleet, models: list[str]) -> DeployedFleet:
    return DeployedFleet(
        name=fleet.name,
        kind=fleet.kind,
        accelerator=fleet.accelerator,
        minimum=fleet.minimum,
        maximum=fleet.maximum,
        target_age_seconds=fleet.target_age_seconds,
        idle_seconds=fleet.idle_seconds,
        trusted=fleet.trusted,
        disk_gib=fleet.disk_gib,
        models=tuple(models),
    )
