"""Settings of the functions: environment variables, parsed once into frozen classes.

The stacks name the variables through the same classes (``InferSettings.environment(...)``), so a
typo or an omission fails at synth and not in production. A function's whole environment has 4 KB,
so long values are packed.
"""

import base64
import os
import zlib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar, Self


class InvalidSettings(Exception):
    """Variables are missing or malformed; the message names all of them."""


TRACE_HEADER = "_X_AMZN_TRACE_ID"
"""The variable that Lambda's client sets for each invocation, to its trace; so it is no setting."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """AWS credentials of a function's role; ``repr`` hides the secrets."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The base class: a field ``registry_table`` is the variable ``REGISTRY_TABLE``."""

    PROVIDED: ClassVar[frozenset[str]] = frozenset(
        {
            "aws_access_key_id",
            "aws_endpoint_url",
            "aws_lambda_function_memory_size",
            "aws_lambda_runtime_api",
            "aws_region",
            "aws_secret_access_key",
            "aws_session_token",
            "aws_xray_daemon_address",
            "lambda_task_root",
        }
    )
    """Set by Lambda or by the local platform; no stack may set them."""

    aws_region: str

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Parse the environment, or raise ``InvalidSettings`` with every bad variable."""
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
        """Return the variables that a stack sets; values may be CDK tokens.

        Raises
        ------
        TypeError
            If a name is not one of the settings, or one without a default is missing.
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
    """Settings of functions that sign their own requests to AWS."""

    aws_access_key_id: str
    aws_secret_access_key: str = field(repr=False)
    aws_session_token: str = field(default="", repr=False)
    aws_endpoint_url: str = ""
    """Of the local platform; empty on AWS."""

    @property
    def credentials(self) -> Credentials:
        """The role's credentials, which last as long as the environment."""
        return Credentials(
            self.aws_access_key_id, self.aws_secret_access_key, self.aws_session_token
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerSettings(SigningSettings):
    """Settings of functions that authenticate their callers."""

    registry_table: str
    authentication: str = "key"
    """``key`` for API keys; ``gateway`` if API Gateway has checked the caller by IAM or JWT."""
    stream_url: str = ""
    """URL of the function ``stream``; empty: calls that want a stream are not redirected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InferSettings(CallerSettings):
    """Settings of ``infer``."""

    aws_lambda_function_memory_size: int
    artifact_bucket: str
    ephemeral_storage_mib: int = 512
    aws_lambda_runtime_api: str = ""
    """Address of Lambda's Runtime API; the local platform has none."""
    aws_xray_daemon_address: str = ""
    """Where Lambda takes parts of traces, ``host:port``; the local platform has none."""
    lambda_task_root: str = ""
    """Folder of the function's code, which may have a handler's packages."""
    stage: str = ""
    """Name of the stage, under which a handler's secrets are."""
    own_functions: str = "[]"
    """The models with functions of their own, as JSON, which may be packed; for the shared one."""
    handlers: str = "[]"
    """The models that are custom Python, which answer as a whole; in the same way."""
    fleet_models: str = "[]"
    """The models on fleets, likewise."""
    wait_function: str = ""
    """The function that answers for these."""
    answers_table: str = ""
    """Where the answers of models that have a cache are kept; empty: nowhere."""
    data_bucket: str = ""
    """Where large ones lie."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeSettings(Settings):
    """Settings of ``describe``."""

    registry_table: str
    authentication: str = "key"
    """As in ``CallerSettings``."""


def pack(text: str) -> str:
    """Compress a text into printable characters."""
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def unpack(text: str) -> str:
    """Decompress a packed text; plain JSON is returned unchanged."""
    if text.startswith(("{", "[")):
        return text
    return zlib.decompress(base64.b64decode(text)).decode()
