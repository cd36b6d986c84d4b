"""The async endpoints of the fleets of kind ``sagemaker``."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from serval.fleets.endpoints.ports import RUNNING, WAITING, OutputKeys
from serval.models.resource_names import endpoint_name

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.client import SageMakerClient
    from mypy_boto3_sagemaker_runtime.client import SageMakerRuntimeClient

CONTENT_TYPE = "application/octet-stream"
"""Of every inference: a V2 request, whose form is in the attributes."""


@dataclass(frozen=True, slots=True)
class SageMakerEndpoints:
    """``Endpoints`` in SageMaker, which use the data bucket for requests and results."""

    runtime: "SageMakerRuntimeClient"
    control: "SageMakerClient"
    stage: str
    bucket: str

    def submit(
        self, fleet: str, inference_id: str, payload: str | bytes, attributes: str
    ) -> OutputKeys:
        """Submit an inference to an endpoint, as a key of the data bucket or as the body itself."""
        given: dict[str, Any] = (
            {"InputLocation": self._location + payload}
            if isinstance(payload, str)
            else {"Body": payload}
        )
        answer = self.runtime.invoke_endpoint_async(
            EndpointName=endpoint_name(self.stage, fleet),
            InferenceId=inference_id,
            ContentType=CONTENT_TYPE,
            CustomAttributes=attributes,
            RequestTTLSeconds=int(WAITING.total_seconds()),
            InvocationTimeoutSeconds=int(RUNNING.total_seconds()),
            **given,
        )
        return OutputKeys(
            self._key(answer["OutputLocation"]), self._key(answer.get("FailureLocation", ""))
        )

    def capacity(self, fleet: str) -> int:
        """Count the current instances of an endpoint."""
        answer = self.control.describe_endpoint(EndpointName=endpoint_name(self.stage, fleet))
        variants = answer.get("ProductionVariants", [])
        return sum(variant.get("CurrentInstanceCount", 0) for variant in variants)

    @property
    def _location(self) -> str:
        return f"s3://{self.bucket}/"

    def _key(self, location: str) -> str:
        return location.removeprefix(self._location)
