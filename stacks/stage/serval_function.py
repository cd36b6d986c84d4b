"""The construct that declares a function."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aws_cdk import ArnFormat, Duration, Size, Stack
from aws_cdk.aws_ecr_assets import Platform
from aws_cdk.aws_iam import Role, ServicePrincipal
from aws_cdk.aws_lambda import (
    ApplicationLogLevel,
    Code,
    Function,
    Handler,
    ILayerVersion,
    LoggingFormat,
    Runtime,
    SystemLogLevel,
)
from aws_cdk.aws_logs import LogGroup, RetentionDays
from constructs import Construct

from stacks.stage.acknowledgements import acknowledge
from stacks.stage.grants import Granted
from stacks.stage.handler_image import HandlerImage
from stacks.stage.layers import PYTHON
from stacks.stage.stage import Stage

FUNCTIONS = Path(__file__).parents[2] / "functions"
LOG_RETENTION = RetentionDays.ONE_MONTH
RUNTIME = (
    "python3.13, not the newest: the layers' wheels and byte-code are built and tested for it,"
    " and ONNX Runtime has no wheels for the newest"
)
OWN_LINES: Mapping[str, Any] = {
    "logging_format": LoggingFormat.JSON,
    # Omits the lines at the start and end of each invocation.
    "system_log_level_v2": SystemLogLevel.WARN,
    # Keeps all of our lines: without a level they count as INFO.
    "application_log_level_v2": ApplicationLogLevel.INFO,
}
"""Only Lambda's JSON format has log levels; lines that are JSON already stay unchanged."""
SYNCHRONOUS = "called by API Gateway alone, which receives every failure as the answer"
UNTRACED = "X-Ray bills each trace, so tracing is a stage's choice (docs/decisions/0011)"
TRACES = "X-Ray's actions support no resources; a test holds every other grant to its resources"


class ServalFunction(Granted):
    """``functions/<function>/handler.py`` with a role, and a log group unless it shares one."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        stage: Stage,
        function: str,
        layers: Sequence[ILayerVersion],
        settings: Mapping[str, str],
        memory_mib: int,
        timeout: Duration,
        ephemeral_storage_mib: int = 512,
        reserved_concurrency: int | None = None,
        own_lines_alone: bool = False,
        no_dead_letters: str = SYNCHRONOUS,
        name: str | None = None,
        log: LogGroup | None = None,
        code: Path | HandlerImage | None = None,
    ) -> None:
        super().__init__(scope, id_)
        # Lines stay as they are printed: CloudWatch reads our metrics from them.
        log = log or LogGroup(
            self, "Log", retention=LOG_RETENTION, removal_policy=stage.removal_policy
        )
        # Not the managed policy, whose log permissions go beyond this log group.
        self.role = Role(self, "Role", assumed_by=ServicePrincipal("lambda.amazonaws.com"))
        log.grant_write(self.role)
        self.function = Function(
            self,
            "Function",
            function_name=name,
            **(
                image_of(code, stage)
                if isinstance(code, HandlerImage)
                else code_of(code or FUNCTIONS / function, layers)
            ),
            architecture=stage.architecture,
            environment=dict(settings),
            memory_size=memory_mib,
            timeout=timeout,
            ephemeral_storage_size=Size.mebibytes(ephemeral_storage_mib),
            role=self.role,
            log_group=log,
            tracing=stage.tracing,
            reserved_concurrent_executions=reserved_concurrency,
            **(OWN_LINES if own_lines_alone else {}),
        )
        if not stage.traced:
            acknowledge(self, {"Serverless-LambdaTracing": UNTRACED})
        acknowledge(
            self,
            {
                "AwsSolutions-L1": RUNTIME,
                "Serverless-LambdaLatestVersion": RUNTIME,
                "AwsSolutions-IAM5[Resource::*]": TRACES,
                "Serverless-LambdaStarPermissions": TRACES,
                "Serverless-LambdaDLQ": no_dead_letters,
            },
        )


def code_of(folder: Path, layers: Sequence[ILayerVersion]) -> dict[str, Any]:
    """Return the properties of a function whose code is a zip."""
    return {
        "code": Code.from_asset(str(folder), exclude=["__pycache__", "*.pyc"]),
        "handler": "handler.handler",
        "runtime": PYTHON,
        "layers": list(layers),
    }


def image_of(image: HandlerImage, stage: Stage) -> dict[str, Any]:
    """Return the properties of a function whose code is an image, which Docker builds."""
    platform, command = Platform.custom(stage.architecture.docker_platform), [image.command]
    return {
        "code": Code.from_asset_image(str(image.folder), cmd=command, platform=platform),
        "handler": Handler.FROM_IMAGE,
        "runtime": Runtime.FROM_IMAGE,
    }


def function_arn(scope: Construct, name: str) -> str:
    """Return the ARN of a function of this account and region."""
    return Stack.of(scope).format_arn(
        service="lambda",
        resource="function",
        resource_name=name,
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
