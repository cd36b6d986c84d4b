"""SageMaker resources declared by templates, and the endpoints they define."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

KINDS = ("model", "endpoint-config", "endpoint")
"""Kinds of resources, as ARNs name them."""
CONCURRENCY = 1
"""Concurrent invocations per instance where the configuration names none."""


class NotDeclared(Exception):
    """The template declares no such resource."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f'Could not find {kind} "{name}".')


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """An endpoint, as its configuration and model define it now."""

    configuration: str
    variant: str
    role: str
    """ARN of the role that the endpoint and its container assume."""
    environment: Mapping[str, str]
    """Environment of the container."""
    concurrency: int
    output_path: str
    failure_path: str
    success_topic: str
    error_topic: str


@dataclass(slots=True)
class Declared:
    """Properties of all declared resources, by kind and name."""

    records: dict[str, dict[str, dict[str, Any]]] = field(
        default_factory=lambda: {kind: {} for kind in KINDS}
    )

    def find(self, kind: str, name: str) -> dict[str, Any]:
        """Return the properties of a resource, or raise ``NotDeclared``."""
        try:
            return self.records[kind][name]
        except KeyError:
            raise NotDeclared(kind, name) from None

    def define(self, endpoint: str) -> Definition:
        """Assemble an endpoint from the resources it refers to, or raise ``NotDeclared``."""
        name = self.find("endpoint", endpoint)["EndpointConfigName"]
        configuration = self.find("endpoint-config", name)
        variant = configuration["ProductionVariants"][0]
        model = self.find("model", variant["ModelName"])
        container = model.get("PrimaryContainer") or model["Containers"][0]
        asynchronous = configuration.get("AsyncInferenceConfig") or {}
        client, output = asynchronous.get("ClientConfig") or {}, asynchronous.get("OutputConfig")
        notices = (output or {}).get("NotificationConfig") or {}
        return Definition(
            configuration=name,
            variant=variant["VariantName"],
            role=model["ExecutionRoleArn"],
            environment={
                key: str(value) for key, value in (container.get("Environment") or {}).items()
            },
            concurrency=int(client.get("MaxConcurrentInvocationsPerInstance") or CONCURRENCY),
            output_path=(output or {}).get("S3OutputPath", ""),
            failure_path=(output or {}).get("S3FailurePath", ""),
            success_topic=notices.get("SuccessTopic", ""),
            error_topic=notices.get("ErrorTopic", ""),
        )
