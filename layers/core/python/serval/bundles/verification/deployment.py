"""Check whether what a stage has deployed can serve a bundle."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from serval.bundles.bundle import Bundle
from serval.models.deployed_fleets import DeployedFleet, Fleets
from serval.models.server_declaration import SERVED, SERVER_SHARE, shares_traffic
from serval.protocol.limits import REQUESTS_MIB

SHARED = "*"
MEBIBYTE = 2**20
GIBIBYTE = 2**30
RUNTIME_MIB = 200
"""Memory of a function before it has loaded a model."""
MEMORY_PER_BYTE = 2.5
"""Memory of a loaded version per byte of its artifact."""
VERSIONS_AT_ONCE = 2
"""During a rollout stable and candidate are both loaded."""
LAMBDA_LIMIT_MIB = 10_240
IMAGE_GIB = 10
"""What the worker's image takes of a machine's disk."""
DEPLOY = "run `serval deploy --models DIR`, where DIR has the bundle in a folder of its own"
GRAPH = ".onnx"


@dataclass(frozen=True, slots=True)
class Deployment:
    """The inference functions and the fleets of a stage."""

    memory_mib: Mapping[str, int]
    """Memory of each function by its model; ``*`` is the shared one."""
    ephemeral_storage_mib: int
    fleets: Fleets = field(default_factory=lambda: Fleets({}))

    def fleet_of(self, model: str) -> DeployedFleet | None:
        """Return the fleet of a model, or None if Lambda runs it."""
        name = self.fleets.models.get(model)
        return None if name is None else self.fleets.by_name[name]

    def reasons(self, bundle: Bundle, artifact_bytes: int) -> list[str]:
        """List the reasons why the bundle cannot be served before a deploy, or at all.

        The memory of a fleet's machines is known only to their worker, which refuses at load.
        """
        deployed = self.fleet_of(bundle.name)
        if bundle.compute.target == "fleet":
            return self._fleet_reasons(bundle, deployed, artifact_bytes)
        if deployed is not None:
            return [
                f"model {bundle.name!r} is deployed on fleet {deployed.name!r}, and the bundle is "
                f"for Lambda: set 'compute: {{target: fleet, fleet: {deployed.name}}}', or "
                f"{DEPLOY}"
            ]
        declared, own = bundle.compute.memory_mib, self.memory_mib.get(bundle.name)
        if declared is not None and declared != own:
            has = f"has {own} MiB" if own else "is not deployed"
            return [
                f"compute.memory_mib: {declared} needs a function of the model's own, which "
                f"{has}: {DEPLOY}"
            ]
        if bundle.runtime.kind == "python" and own is None:
            return [
                f"{bundle.artifact} needs a function of the model's own, which is not deployed: "
                f"{DEPLOY}"
            ]
        return self._memory_reasons(bundle, artifact_bytes) + self._storage_reasons(artifact_bytes)

    def _fleet_reasons(
        self, bundle: Bundle, deployed: DeployedFleet | None, artifact_bytes: int
    ) -> list[str]:
        model, fleet = f"model {bundle.name!r}", f"fleet {bundle.compute.fleet!r}"
        if bundle.compute.fleet not in self.fleets.by_name:
            return [
                f"{model} runs on {fleet}, which this stage does not have: declare it in "
                f"fleets.yaml, {DEPLOY}"
            ]
        if deployed is None and (own := self.memory_mib.get(bundle.name)):
            return [
                f"{model} is deployed on Lambda, with a function of its own of {own} MiB, and the "
                f"bundle is for {fleet}: {DEPLOY}"
            ]
        if deployed is None:
            return [f"{model} runs on {fleet}, which does not answer for it yet: {DEPLOY}"]
        if deployed.name != bundle.compute.fleet:
            return [
                f"{model} is deployed on fleet {deployed.name!r}, and the bundle is for {fleet}: "
                f"{DEPLOY}"
            ]
        return [
            *self._machine_reasons(bundle, deployed),
            *disk_reasons(bundle, deployed, artifact_bytes),
        ]

    def _machine_reasons(self, bundle: Bundle, fleet: DeployedFleet) -> list[str]:
        kind, image = bundle.runtime.kind, bundle.runtime.image or ""
        if fleet.kind == "sagemaker" and kind in SERVED:
            return [
                f"fleet {fleet.name!r} is a SageMaker endpoint, which runs the worker alone: "
                f"'runtime: {{kind: {kind}}}' needs a fleet of kind spot"
            ]
        if image != fleet.image:
            return [
                f"runtime.image: {image or 'none'} given, and beside the workers of fleet "
                f"{fleet.name!r} runs {fleet.image or 'none'}: {DEPLOY}"
            ]
        if fleet.accelerator != "neuron" or not bundle.artifact.endswith(GRAPH):
            return []
        return [
            f"a precompiled Neuron archive is expected: fleet {fleet.name!r} has AWS Neuron chips, "
            f"which run no ONNX graph as {bundle.artifact}; compile the model for them "
            "(torch_neuronx.trace, optimum-neuron), pack what that makes into a .tar, name it as "
            "'artifact', and set 'signature:' and 'runtime: {kind: http, server: neuron, protocol: "
            "openai}', which is vLLM, or 'kind: container' with an image that runs it"
        ]

    def _memory_reasons(self, bundle: Bundle, artifact_bytes: int) -> list[str]:
        memory_mib = self.memory_mib.get(bundle.name, self.memory_mib[SHARED])
        versions_mib = VERSIONS_AT_ONCE * MEMORY_PER_BYTE * artifact_bytes / MEBIBYTE
        needed_mib = math.ceil(RUNTIME_MIB + versions_mib + min(versions_mib, REQUESTS_MIB))
        if needed_mib <= memory_mib:
            return []
        remedy = (
            f"set 'compute: {{memory_mib: {needed_mib}}}', {DEPLOY}"
            if needed_mib <= LAMBDA_LIMIT_MIB
            else f"Lambda ends at {LAMBDA_LIMIT_MIB} MiB; use 'compute: {{target: fleet}}'"
        )
        return [
            f"the artifact has {artifact_bytes} bytes; two versions of it, side by side during a "
            f"rollout, and requests beside them need {needed_mib} MiB of memory and the function "
            f"has {memory_mib}: {remedy}"
        ]

    def _storage_reasons(self, artifact_bytes: int) -> list[str]:
        needed_mib = math.ceil(VERSIONS_AT_ONCE * artifact_bytes / MEBIBYTE)
        if needed_mib <= self.ephemeral_storage_mib:
            return []
        return [
            f"two versions of the artifact need {needed_mib} MiB of ephemeral storage and the "
            f"function has {self.ephemeral_storage_mib}: quantise the model, or use "
            "'compute: {target: fleet}'"
        ]


def disk_reasons(bundle: Bundle, fleet: DeployedFleet, artifact_bytes: int) -> list[str]:
    """Return why the machines of a spot fleet have no disk for a version, if they have none.

    A server that holds both versions of a rollout needs room for two.
    """
    if fleet.kind != "spot":
        return []
    served = bundle.runtime.kind in SERVED
    versions = VERSIONS_AT_ONCE if served and shares_traffic(bundle.to_json()) else 1
    share = SERVER_SHARE if served else 1
    room_gib = (fleet.disk_gib - IMAGE_GIB) * share
    needed_gib = versions * artifact_bytes / GIBIBYTE
    if needed_gib <= room_gib:
        return []
    two = ", twice during a rollout" if versions > 1 else ""
    expected = math.ceil(needed_gib / share) + IMAGE_GIB
    return [
        f"the artifact takes {artifact_bytes / GIBIBYTE:.1f} GiB of disk{two}, and versions may "
        f"take {room_gib:.0f} of the {fleet.disk_gib} GiB of a machine of fleet {fleet.name!r}: "
        f"set 'disk_gib: {expected}' or more in fleets.yaml, {DEPLOY}"
    ]
