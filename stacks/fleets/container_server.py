"""A container of a bundle's own image, which runs beside a worker and has the accelerator."""

import re

from aws_cdk import Annotations, Stack
from constructs import Construct

from serval.bundles.runtime_section import Runtime
from serval.fleets.server_script import server_script
from serval.models.server_declaration import holding_of
from stacks.fleets.inference_server import BY_TAG, MODELS, PULL, WITHOUT_RIGHTS
from stacks.stage.grants import Granted

ECR = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?/"
    r"(?P<repository>[^:@]+)"
)
SAGEMAKER_MODEL = (
    'mkdir -p /opt/ml && rm -rf /opt/ml/model && ln -s "$MODEL_FOLDER" /opt/ml/model && '
    'export SAGEMAKER_BIND_TO_PORT="$PORT" && '
)
"""Puts a version where SageMaker's containers look for it, before they start."""


class ContainerServer(Construct):
    """A container as ``runtime: {kind: container}`` declares it.

    With a command, the script of ``serval.fleets.server_script`` runs a process for each version.
    Without one the image starts as it is, ``serve`` its argument under SageMaker's contract.
    """

    def __init__(self, scope: Construct, id_: str, *, runtime: Runtime) -> None:
        super().__init__(scope, id_)
        self.image = runtime.image or ""
        self.takes_versions = holding_of(runtime.model_dump()) != "fixed"
        self.environment = environment_of(runtime)
        self.command, self.entry_point = start_of(runtime)
        if "@" not in self.image:
            Annotations.of(self).add_warning_v2(
                BY_TAG,
                f"the image {self.image!r} is pulled by its tag: whoever may push to its registry "
                "changes what runs beside the worker; name it by its digest, as "
                "'registry/name@sha256:…'",
            )

    def grant_pull(self, granted: Granted) -> None:
        """Grant pulling the image if it is in a registry of AWS; others are public."""
        if (found := ECR.match(self.image)) is None:
            return
        arn = Stack.of(self).format_arn(
            service="ecr",
            account=found["account"],
            region=found["region"],
            resource="repository",
            resource_name=found["repository"],
        )
        granted.allow(PULL, [arn])


def environment_of(runtime: Runtime) -> dict[str, str]:
    """Return the variables in which an image finds its port."""
    names = ("PORT", "SAGEMAKER_BIND_TO_PORT") if runtime.protocol == "sagemaker" else ("PORT",)
    return dict.fromkeys(names, str(runtime.port))


def start_of(runtime: Runtime) -> tuple[list[str] | None, list[str] | None]:
    """Return the container's command and its entry point; None: those of its image."""
    if runtime.command is None:
        return (["serve"] if runtime.protocol == "sagemaker" else None), None
    before = SAGEMAKER_MODEL if runtime.protocol == "sagemaker" else ""
    script = server_script(before + runtime.command, MODELS)
    return None, ["sh", "-c", WITHOUT_RIGHTS + script]
