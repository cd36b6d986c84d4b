"""The settings of one deployed instance of Serval; only this module treats the laptop specially."""

import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from aws_cdk import RemovalPolicy
from aws_cdk.aws_lambda import Architecture, Tracing
from constructs import Node

from serval.fleets.declaration import FLEETS_YAML
from stacks.api.authorization import Authorization
from stacks.stage.concurrency import NEW_ACCOUNT, Concurrency
from stacks.stage.context import CHECKOUT, Context

LOCAL = "local"
NAME = re.compile(r"[a-z](-?[a-z0-9]){0,23}")
PREFIX = r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/([^,\s]+/)?"
PREFIXES = re.compile(f"({PREFIX}(,{PREFIX})*)?")
BATCH_JOBS_PER_MINUTE, BATCH_OPEN_JOBS, BATCH_LEAST_SHARD_BYTES = 60, 20, 65_536
RATE_PER_SECOND, BURST = 1000, 2000
FLEET_ZONES = 3
TRACING = {"off": Tracing.DISABLED, "active": Tracing.ACTIVE}
LAPTOP_CONCURRENCY = 150
VERIFICATION_MEMORY_MIB = MOST_MEMORY_MIB = 3008
"""The most memory that a new AWS account may give a function."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One deployed instance of Serval: an AWS account and region, or the laptop."""

    name: str
    authorization: Authorization
    rate_per_second: int
    """Requests a second that the API accepts from all callers together."""
    burst: int
    """Requests that the API accepts at once."""
    concurrency: Concurrency
    """Shares of the account's concurrency."""
    batch_jobs_per_minute: int = BATCH_JOBS_PER_MINUTE
    """Batch jobs that each API key may start, try or retry in a minute."""
    batch_open_jobs: int = BATCH_OPEN_JOBS
    """Open batch jobs that each API key may have for a model."""
    batch_least_shard_bytes: int = BATCH_LEAST_SHARD_BYTES
    """The smallest shards that a caller may ask for."""
    batch_prefixes: str = ""
    """Prefixes outside the data bucket that callers' batch jobs may name, separated by commas."""
    verification_memory_mib: int = VERIFICATION_MEMORY_MIB
    """Memory of the functions that verify and optimise: 2.5 and 3.5 MiB per MiB of artifact."""
    answer_memory_mib: int = MOST_MEMORY_MIB
    """Memory of the function that answers async requests of models on Lambda."""
    architecture: Architecture = Architecture.ARM_64
    layers: str = "aws"
    """Variant of the layers: built for Lambda, or for this machine's Python."""
    removal_policy: RemovalPolicy = RemovalPolicy.RETAIN
    """Removal policy of resources that hold state or logs."""
    tracing: Tracing = Tracing.DISABLED
    """Whether X-Ray, which bills each trace, traces requests (decision 11)."""
    metric_lag_seconds: int = 90
    """How long CloudWatch takes to extract a metric from a log line."""
    fleets: Path | None = None
    """The file of fleets used by default."""
    fleet_machines: bool = True
    """Whether fleets have machines and images; a laptop runs their workers as processes."""
    fleet_zones: int = FLEET_ZONES
    """Availability zones of the spot fleets: spot capacity is per zone."""
    callback_local: bool = False
    """Whether callbacks may use plain HTTP and reach this machine."""
    checked: bool = True
    """Whether cdk-nag checks the templates."""

    @property
    def traced(self) -> bool:
        """Whether X-Ray traces requests."""
        return self.tracing is Tracing.ACTIVE

    @classmethod
    def from_context(cls, node: Node) -> Self:
        """Read the stage from the CDK context, or raise ``InvalidContext``."""
        context = Context(node)
        name = context.text(
            "stage", "prod", NAME, "up to 24 lower-case letters, digits and single '-'"
        )
        return cls(
            name=name,
            authorization=Authorization.from_context(context),
            rate_per_second=context.count("rate_per_second", RATE_PER_SECOND),
            burst=context.count("burst", BURST),
            batch_jobs_per_minute=context.count("batch_jobs_per_minute", BATCH_JOBS_PER_MINUTE),
            batch_open_jobs=context.count("batch_open_jobs", BATCH_OPEN_JOBS),
            batch_least_shard_bytes=context.count(
                "batch_least_shard_bytes", 1 if name == LOCAL else BATCH_LEAST_SHARD_BYTES
            ),
            batch_prefixes=context.text(
                "batch_prefixes", "", PREFIXES, "s3://bucket/prefix/ and others, split by commas,"
            ),
            verification_memory_mib=context.count(
                "verification_memory_mib", VERIFICATION_MEMORY_MIB
            ),
            answer_memory_mib=context.count("answer_memory_mib", MOST_MEMORY_MIB),
            concurrency=Concurrency(
                context.count(
                    "lambda_concurrency", LAPTOP_CONCURRENCY if name == LOCAL else NEW_ACCOUNT
                )
            ),
            tracing=TRACING[context.choice("tracing", tuple(TRACING))],
            fleet_zones=context.count("fleet_zones", FLEET_ZONES),
            **(laptop_settings() if name == LOCAL else {}),
        )


def laptop_settings() -> dict[str, Any]:
    """Return the settings of a stage on a laptop, which keeps nothing."""
    arm = platform.machine().lower() in {"arm64", "aarch64"}
    return {
        "architecture": Architecture.ARM_64 if arm else Architecture.X86_64,
        "layers": "local",
        "removal_policy": RemovalPolicy.DESTROY,
        "metric_lag_seconds": 12,
        # Fleets cost nothing here, so the examples that need them can be tried.
        "fleets": CHECKOUT / FLEETS_YAML,
        "fleet_machines": False,
        "callback_local": True,
        "checked": False,
    }
