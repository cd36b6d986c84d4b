"""The emulator's modules, and a check that everything the patches replace exists."""

import importlib
import importlib.metadata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

PACKAGE = "ministack"
VERSION = "1.5.33"


class WrongEmulator(Exception):
    """The installed emulator is not the one that the patches were written for."""


@dataclass(frozen=True, slots=True)
class Emulator:
    """Modules of the emulator and its web server, in which patches replace names."""

    apigateway: Any
    app: Any
    cloudwatch: Any
    cloudwatch_logs: Any
    custom_resource: Any
    dynamodb: Any
    eventbridge: Any
    hypercorn_asyncio: Any
    iam: Any
    iam_actions: Any
    iam_evaluator: Any
    lambda_runtime: Any
    lambda_svc: Any
    provisioners: Any
    responses: Any
    router: Any
    s3: Any
    sns: Any
    sqs: Any
    stepfunctions: Any
    sts: Any

    @classmethod
    def load(cls) -> Self:
        """Import the emulator, or raise ``WrongEmulator`` for another version of it."""
        found = importlib.metadata.version(PACKAGE)
        if found != VERSION:
            raise WrongEmulator(f"{PACKAGE}: {found} is installed, the patches need {VERSION}")
        return cls(
            apigateway=importlib.import_module("ministack.services.apigateway"),
            app=importlib.import_module("ministack.app"),
            cloudwatch=importlib.import_module("ministack.services.cloudwatch"),
            cloudwatch_logs=importlib.import_module("ministack.services.cloudwatch_logs"),
            custom_resource=importlib.import_module(
                "ministack.services.cloudformation.custom_resource"
            ),
            dynamodb=importlib.import_module("ministack.services.dynamodb"),
            eventbridge=importlib.import_module("ministack.services.eventbridge"),
            hypercorn_asyncio=importlib.import_module("hypercorn.asyncio"),
            iam=importlib.import_module("ministack.services.iam"),
            iam_actions=importlib.import_module("ministack.core.iam_actions"),
            iam_evaluator=importlib.import_module("ministack.core.iam_evaluator"),
            lambda_runtime=importlib.import_module("ministack.core.lambda_runtime"),
            lambda_svc=importlib.import_module("ministack.services.lambda_svc"),
            provisioners=importlib.import_module("ministack.services.cloudformation.provisioners"),
            responses=importlib.import_module("ministack.core.responses"),
            router=importlib.import_module("ministack.core.router"),
            s3=importlib.import_module("ministack.services.s3"),
            sns=importlib.import_module("ministack.services.sns"),
            sqs=importlib.import_module("ministack.services.sqs"),
            stepfunctions=importlib.import_module("ministack.services.stepfunctions"),
            sts=importlib.import_module("ministack.services.sts"),
        )

    def require(self, names: Iterable[str]) -> None:
        """Raise ``WrongEmulator`` naming all names that the emulator lacks.

        Parameters
        ----------
        names
            Paths from a module through attributes and keys, such as ``s3/_buckets``.
        """
        if missing := [name for name in names if not self._has(name)]:
            raise WrongEmulator(f"{PACKAGE} {VERSION} has no {', '.join(missing)}")

    def _has(self, name: str) -> bool:
        found: Any = self
        for step in name.split("/"):
            inside = found if isinstance(found, Mapping) else None
            if inside is not None and step in inside:
                found = inside[step]
            elif inside is None and hasattr(found, step):
                found = getattr(found, step)
            else:
                return False
        return True
