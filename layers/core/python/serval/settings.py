"""What each function reads from its environment: parsed once, whole, into frozen classes.

The stacks name variables through the same classes (``InferSettings.environment(...)``), so a typo
or an omission fails at synth and not in production.
"""

import os
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar, Self


class InvalidSettings(Exception):
    """Variables of a function's environment are missing or malformed; all are named together."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """AWS credentials of a function's role; their ``repr`` keeps the secrets."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Base of the settings: field ``registry_table: str`` is the variable ``REGISTRY_TABLE``."""

    PROVIDED: ClassVar[frozenset[str]] = frozenset(
        {
            "aws_access_key_id",
            "aws_endpoint_url",
            "aws_lambda_function_memory_size",
            "aws_lambda_runtime_api",
            "aws_region",
            "aws_secret_access_key",
            "aws_session_token",
        }
    )
    """Set by Lambda itself, or by the local platform; a stack may not set them."""

    aws_region: str

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Parse the environment, or raise ``InvalidSettings`` naming every bad variable."""
        environ = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        problems: list[str] = []
        for member in fields(cls):
            variable = member.name.upper()
            text = environ.get(variable)
            if text is None:
                if member.default is MISSING:
                    problems.append(f"{variable} is missing")
            elif member.type is int:
                try:
                    values[member.name] = int(text)
                except ValueError:
                    problems.append(f"{variable}: {text!r} is not an int")
            else:
                values[member.name] = text
        if problems:
            raise InvalidSettings(f"{cls.__name__}: " + "; ".join(problems))
        return cls(**values)

    @classmethod
    def environment(cls, **values: object) -> dict[str, str]:
        """Name the variables for a stack; values may be CDK tokens.

        Raises
        ------
        TypeError
            If a value is not one of the settings, or a setting without a default is left out.
        """
        own = {f.name: f for f in fields(cls) if f.name not in cls.PROVIDED}
        if unknown := sorted(values.keys() - own.keys()):
            raise TypeError(f"{cls.__name__} has no {unknown}")
        needed = {name for name, field in own.items() if field.default is MISSING}
        if missing := sorted(needed - values.keys()):
            raise TypeError(f"{cls.__name__} needs {missing}")
        return {name.upper(): str(value) for name, value in values.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningSettings(Settings):
    """What functions read that sign their own requests to AWS."""

    aws_access_key_id: str
    aws_secret_access_key: str = field(repr=False)
    aws_session_token: str = field(default="", repr=False)
    aws_endpoint_url: str = ""
    """The local platform's; empty on AWS."""

    @property
    def credentials(self) -> Credentials:
        """Give the role's credentials, which last as long as the environment."""
        return Credentials(
            self.aws_access_key_id, self.aws_secret_access_key, self.aws_session_token
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerSettings(SigningSettings):
    """What functions read that let callers in as ``infer`` does."""

    registry_table: str
    authentication: str = "key"
    """``key``: API keys are checked here; ``gateway``: API Gateway's IAM or JWT authorizer did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InferSettings(CallerSettings):
    """Environment of ``infer``."""

    aws_lambda_function_memory_size: int
    artifact_bucket: str
    ephemeral_storage_mib: int = 512
    aws_lambda_runtime_api: str = ""
    """Where Lambda's Runtime API listens; the local platform has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenSettings(SigningSettings):
    """Environment of ``golden``; its memory and storage are those of the ``infer`` beside it."""

    aws_lambda_function_memory_size: int
    artifact_bucket: str
    ephemeral_storage_mib: int = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeSettings(Settings):
    """Environment of ``describe``."""

    registry_table: str
    authentication: str = "key"
    """As in ``CallerSettings``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimSettings(Settings):
    """Environment of ``claim``."""

    registry_table: str
    artifact_bucket: str
    golden_functions: str
    """JSON: name of the function that checks golden requests by model; ``"*"`` is the shared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifySettings(Settings):
    """Environment of ``verify``."""

    aws_lambda_function_memory_size: int
    functions: str
    """JSON: MiB of each deployed inference function by model; ``"*"`` is the shared one."""
    ephemeral_storage_mib: int = 512
    """Ephemeral storage of the inference functions."""
    fleets: str = "{}"
    """JSON: the deployed fleets and their models, as ``Fleets.to_json`` gives them."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimiseSettings(Settings):
    """Environment of ``optimise``."""

    aws_lambda_function_memory_size: int
    artifact_bucket: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestsSettings(CallerSettings):
    """Environment of ``requests``."""

    stage: str
    """Names the queues."""
    requests_table: str
    data_bucket: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitSettings(RequestsSettings):
    """Environment of ``wait``."""

    fleets: str
    """JSON: the deployed fleets and their models, as ``Fleets.to_json`` gives them."""
    machines: str = "ecs"
    """As in ``serval.fleets.settings``."""
    dispatch_function: str = ""
    """As in ``serval.fleets.settings``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitSettings(WaitSettings):
    """Environment of ``submit``."""

    callback_local: int = 0
    """1: callbacks may go to http and to this machine, as on a laptop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackSettings(Settings):
    """Environment of ``callback``."""

    stage: str
    """Names the queue."""
    requests_table: str
    data_bucket: str
    callback_local: int = 0
    """As in ``SubmitSettings``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings(Settings):
    """Environment of the fleet worker as a server, which a container of the stage's must name."""

    PROVIDED: ClassVar[frozenset[str]] = frozenset({"host", "port"})
    """Set by the image, or by the local platform."""

    artifact_bucket: str
    registry_table: str = ""
    """Empty: records are read beside the artifacts, and versions are named by whoever calls."""
    fleet: str = ""
    fleets: str = "{}"
    """JSON of ``serval.fleets.deployed.Fleets``."""
    threads: int = 0
    """Of a run on the processor; 0: as many as it has cores."""
    memory_mib: int = 0
    """What versions may take of memory; 0: three quarters of the machine's."""
    server_folder: str = ""
    """Where artifacts are left for an inference server beside it; empty: it has its own."""
    host: str = "127.0.0.1"
    """Where it listens as a server; a container's image says everywhere."""
    port: int = 8080


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings(ServerSettings):
    """Environment of the fleet worker on a spot fleet's machine."""

    PROVIDED: ClassVar[frozenset[str]] = frozenset({"ecs_agent_uri", "worker_id"})
    """Set by ECS, or by the local platform."""

    stage: str
    fleet: str
    fleets: str
    registry_table: str
    requests_table: str
    data_bucket: str
    jobs_table: str = ""
    """Empty: it works on no shards of batch jobs."""
    worker_id: str = ""
    """Empty: the machine's name and some random digits."""
    lease_seconds: int = 60
    """How long a worker that has fallen silent is taken to be alive."""
    report_seconds: int = 5
    stop_seconds: int = 110
    """How long after SIGTERM it has ended; ECS kills it after two minutes."""
    watch_spot: int = 0
    """1: the machine may be reclaimed, and EC2 gives notice."""
    ecs_agent_uri: str = ""
