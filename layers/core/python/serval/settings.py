"""What each function reads from its environment: parsed once, whole, into frozen classes.

The stacks name variables through the same classes (``InferSettings.environment(...)``), so a typo
or an omission fails at synth and not in production.
"""

import os
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, Self


class InvalidSettings(Exception):
    """Variables of a function's environment are missing or malformed; all are named together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Base of the settings: field ``registry_table: str`` is the variable ``REGISTRY_TABLE``."""

    PROVIDED: ClassVar[frozenset[str]] = frozenset(
        {"aws_region", "aws_lambda_function_memory_size", "aws_lambda_function_name"}
    )
    """Set by Lambda itself; a stack may not set them."""

    aws_region: str

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Parse the environment, or raise ``InvalidSettings`` naming every bad variable."""
        environ = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        problems: list[str] = []
        for field in fields(cls):
            variable = field.name.upper()
            text = environ.get(variable)
            if text is None:
                if field.default is MISSING:
                    problems.append(f"{variable} is missing")
            elif field.type is int:
                try:
                    values[field.name] = int(text)
                except ValueError:
                    problems.append(f"{variable}: {text!r} is not an int")
            else:
                values[field.name] = text
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
class InferSettings(Settings):
    """Environment of ``infer``."""

    aws_lambda_function_memory_size: int
    registry_table: str
    artifact_bucket: str
    authentication: str = "key"
    """``key``: API keys are checked here; ``gateway``: API Gateway's IAM or JWT authorizer did."""
    ephemeral_storage_mib: int = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeSettings(Settings):
    """Environment of ``describe``."""

    registry_table: str
    authentication: str = "key"
    """As in ``InferSettings``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterSettings(Settings):
    """Environment of ``register``."""

    registry_table: str
    artifact_bucket: str
    functions: str
    """JSON: MiB of each deployed inference function by model; ``"*"`` is the shared one."""
    ephemeral_storage_mib: int = 512
    """Ephemeral storage of the inference functions."""
