"""Settings of the functions that are a rollout's steps."""

from dataclasses import dataclass

from serval.settings import Settings, SigningSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimSettings(Settings):
    """Settings of ``claim``."""

    registry_table: str
    artifact_bucket: str
    stage: str
    golden_function: str
    """Name of the function ``golden`` that checks models without one of their own."""
    checked_models: str = "[]"
    """The models with a function ``golden`` of their own, as JSON, which may be packed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifySettings(Settings):
    """Settings of ``verify``."""

    aws_lambda_function_memory_size: int
    functions: str
    """MiB of each inference function by model, ``"*"`` for the shared one; JSON, maybe packed."""
    ephemeral_storage_mib: int = 512
    """Ephemeral storage of the inference functions."""
    fleets: str = "{}"
    """The deployed fleets and their models, from ``Fleets.to_text``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimiseSettings(Settings):
    """Settings of ``optimise``."""

    aws_lambda_function_memory_size: int
    artifact_bucket: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenSettings(SigningSettings):
    """Settings of ``golden``, which has the memory and storage of the ``infer`` beside it."""

    aws_lambda_function_memory_size: int
    artifact_bucket: str
    ephemeral_storage_mib: int = 512
    lambda_task_root: str = ""
    """Folder of the function's code, which may have a handler's packages."""
    stage: str = ""
    """Name of the stage, under which a handler's secrets are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterSettings(Settings):
    """Settings of ``register``."""

    registry_table: str
    artifact_bucket: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateSettings(Settings):
    """Settings of ``evaluate``."""

    registry_table: str
    metric_lag_seconds: int = 90
    """Time until written metrics are complete."""
    fleets: str = "{}"
    """As in ``VerifySettings``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcludeSettings(Settings):
    """Settings of ``conclude``."""

    registry_table: str
