"""What the functions of a rollout's steps read from their environment."""

from dataclasses import dataclass

from serval.settings import Settings, SigningSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimSettings(Settings):
    """Environment of ``claim``."""

    registry_table: str
    artifact_bucket: str
    stage: str
    golden_function: str
    """Name of the function that checks golden requests of every model without its own."""
    own_functions: str = "[]"
    """JSON, maybe packed: the models that have functions of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifySettings(Settings):
    """Environment of ``verify``."""

    aws_lambda_function_memory_size: int
    functions: str
    """JSON, maybe packed: MiB of each inference function by model; ``"*"`` is the shared one."""
    ephemeral_storage_mib: int = 512
    """Ephemeral storage of the inference functions."""
    fleets: str = "{}"
    """The deployed fleets and their models, as ``Fleets.to_text`` writes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimiseSettings(Settings):
    """Environment of ``optimise``."""

    aws_lambda_function_memory_size: int
    artifact_bucket: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenSettings(SigningSettings):
    """Environment of ``golden``; its memory and storage are those of the ``infer`` beside it."""

    aws_lambda_function_memory_size: int
    artifact_bucket: str
    ephemeral_storage_mib: int = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterSettings(Settings):
    """Environment of ``register``."""

    registry_table: str
    artifact_bucket: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateSettings(Settings):
    """Environment of ``evaluate``."""

    registry_table: str
    metric_lag_seconds: int = 90
    """How long after a request its metrics are complete, beyond the time they are held back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcludeSettings(Settings):
    """Environment of ``conclude``."""

    registry_table: str
