"""Environment variables of the functions of batch jobs."""

from dataclasses import dataclass

from serval.settings import CallerSettings, Settings, SigningSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptSettings(Settings):
    """Environment of ``accept``."""

    stage: str
    """Named in the claims on output prefixes."""
    registry_table: str
    jobs_table: str
    data_bucket: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CutSettings(Settings):
    """Environment of ``cut``."""

    stage: str
    """Names the rule of the ticks, which a job of a fleet model switches on."""
    registry_table: str
    jobs_table: str
    shards_at_once: int
    """Shards of one job that run at once on Lambda, whatever the job asks for."""
    fleets: str = "{}"
    """The deployed fleets and their models, as ``Fleets.to_text`` writes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSettings(CutSettings):
    """Environment of ``plan``."""

    shard_memory_mib: int
    """Memory of ``shard``, which the estimate of the cost needs."""
    machine_prices: str = "{}"
    """JSON: microdollars an hour of a machine, by fleet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanSettings(Settings):
    """Environment of ``scan``."""

    jobs_table: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardSettings(SigningSettings):
    """Environment of ``shard``."""

    aws_lambda_function_memory_size: int
    registry_table: str
    jobs_table: str
    artifact_bucket: str
    ephemeral_storage_mib: int = 512
    stage: str = ""
    """Name of the stage, which names the functions of handlers."""
    handlers: str = "[]"
    """The models that are handlers on Lambda, as JSON, which may be packed."""
    requests_table: str
    """The async requests that rows of durable pipelines are, as those below."""
    data_bucket: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AssembleSettings(Settings):
    """Environment of ``assemble``."""

    jobs_table: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishSettings(Settings):
    """Environment of ``finish``."""

    jobs_table: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSettings(CallerSettings):
    """Environment of ``batch``."""

    jobs_table: str
    data_bucket: str
    batch_machine: str
    """ARN of the state machine of batch jobs."""
    shard_memory_mib: int
    """Memory of ``shard``, which the estimate of the cost needs."""
    shards_at_once: int
    """As in ``CutSettings``."""
    batch_jobs_per_minute: int
    """Jobs that an API key may start, preview or retry in a minute."""
    batch_open_jobs: int
    """Open jobs that an API key may have for a model."""
    batch_least_shard_bytes: int
    """The smallest shards that a caller may ask for."""
    batch_prefixes: str = ""
    """Addresses of further prefixes that callers' jobs may name, separated by commas."""
    fleets: str = "{}"
    """The deployed fleets and their models, as ``Fleets.to_text`` writes them."""
    machine_prices: str = "{}"
    """JSON: microdollars an hour of a machine, by fleet."""
