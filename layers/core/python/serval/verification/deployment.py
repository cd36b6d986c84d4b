"""What is deployed, and whether it can serve a bundle as it stands."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from serval.bundle import Bundle
from serval.settings import VerifySettings

SHARED = "*"
MEBIBYTE = 2**20
RUNTIME_MIB = 200
"""What a function takes before it has loaded a model."""
MEMORY_PER_BYTE = 2.5
"""Memory of a loaded version, for each byte of its artifact."""
VERSIONS_AT_ONCE = 2
"""Stable and candidate are loaded side by side, so that no request fails because of a rollout."""
LAMBDA_LIMIT_MIB = 10_240


@dataclass(frozen=True, slots=True)
class Deployment:
    """The inference functions of a stage."""

    memory_mib: Mapping[str, int]
    """Memory of each function by the model it is for; ``*`` is the shared one."""
    ephemeral_storage_mib: int

    @classmethod
    def from_settings(cls, settings: VerifySettings) -> Self:
        """Read what the stack says is deployed."""
        memory = {model: int(mib) for model, mib in json.loads(settings.functions).items()}
        return cls(memory, settings.ephemeral_storage_mib)

    def reasons(self, bundle: Bundle, artifact_bytes: int) -> list[str]:
        """Say why the bundle cannot be served before a deploy, or at all; empty: it can."""
        if bundle.compute.target == "fleet":
            return [
                f"model {bundle.name!r} runs on fleet {bundle.compute.fleet!r}, which this stage "
                "does not have: declare it in fleets.yaml, put the bundle into models/ and "
                "run `cdk deploy`"
            ]
        declared, own = bundle.compute.memory_mib, self.memory_mib.get(bundle.name)
        if declared is not None and declared != own:
            deployed = f"has {own} MiB" if own else "is not deployed"
            return [
                f"compute.memory_mib: {declared} needs a function of the model's own, which "
                f"{deployed}: put the bundle into models/ and run `cdk deploy`"
            ]
        return self._memory_reasons(bundle, artifact_bytes) + self._storage_reasons(artifact_bytes)

    def _memory_reasons(self, bundle: Bundle, artifact_bytes: int) -> list[str]:
        memory_mib = self.memory_mib.get(bundle.name, self.memory_mib[SHARED])
        versions_mib = VERSIONS_AT_ONCE * MEMORY_PER_BYTE * artifact_bytes / MEBIBYTE
        needed_mib = math.ceil(RUNTIME_MIB + versions_mib)
        if needed_mib <= memory_mib:
            return []
        remedy = (
            f"set 'compute: {{memory_mib: {needed_mib}}}', put the bundle into models/ and "
            "run `cdk deploy`"
            if needed_mib <= LAMBDA_LIMIT_MIB
            else f"Lambda ends at {LAMBDA_LIMIT_MIB} MiB; use 'compute: {{target: fleet}}'"
        )
        return [
            f"the artifact has {artifact_bytes} bytes; two versions of it, side by side during a "
            f"rollout, need {needed_mib} MiB of memory and the function has {memory_mib}: {remedy}"
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
