"""Settings of the functions of async requests."""

from dataclasses import dataclass

from serval.protocol.limits import ENVIRONMENT_MIB as LOADING_MIB
from serval.protocol.limits import RequestLimits
from serval.requests.request import UPLOAD_LIMIT_BYTES
from serval.settings import CallerSettings, Settings, SigningSettings

ENVIRONMENT_MIB = 112
"""Memory of a function that submits requests, before one comes."""
MEMORY_PER_UPLOADED_BYTE = 3
"""What a byte of binary numbers takes at most: as received, as read, and in a result like it."""


def answer_requests_mib(memory_mib: int) -> int:
    """Return how much memory ``answer`` keeps for a request: half, and half for the models."""
    return (memory_mib - LOADING_MIB) // 2


def light_upload_bytes(memory_mib: int) -> int:
    """Return the largest upload that ``answer`` takes with this memory."""
    room_bytes = answer_requests_mib(memory_mib) * 2**20
    return min(UPLOAD_LIMIT_BYTES, room_bytes // MEMORY_PER_UPLOADED_BYTE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestsSettings(CallerSettings):
    """Environment of ``requests``."""

    stage: str
    """Names the queues."""
    requests_table: str
    data_bucket: str
    waiting_places: int
    """How many callers may wait at once."""
    streams_table: str = ""
    """What is written of requests that are read meanwhile; only ``requests`` has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitSettings(RequestsSettings):
    """Environment of ``wait``."""

    aws_lambda_function_memory_size: int
    fleets: str
    """The deployed fleets and their models, as ``Fleets.to_text`` writes them."""
    light_upload_bytes: int = UPLOAD_LIMIT_BYTES
    """The largest upload for a model on Lambda."""
    machines: str = "ecs"
    """As in ``serval.fleets.settings``."""
    dispatch_function: str = ""
    """As in ``serval.fleets.settings``."""

    @property
    def limits(self) -> RequestLimits:
        """The limits that the function has memory for."""
        free_mib = self.aws_lambda_function_memory_size - ENVIRONMENT_MIB
        return RequestLimits.of_memory(free_mib * 2**20)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitSettings(WaitSettings):
    """Environment of ``submit``."""

    callback_local: int = 0
    """1: callbacks may go to http and to this machine, as on a laptop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LightModelSettings(SigningSettings):
    """Environment of a function that runs models on Lambda for async requests."""

    stage: str
    """Names the queues."""
    registry_table: str
    requests_table: str
    data_bucket: str
    artifact_bucket: str
    aws_lambda_function_memory_size: int
    ephemeral_storage_mib: int = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSettings(LightModelSettings):
    """Environment of ``answer``."""

    streams_table: str
    handlers: str = "[]"
    """The models that are handlers on Lambda, as JSON, which may be packed."""
    pipelines_machine: str = ""
    """The ARN of the state machine of durable pipelines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProceedSettings(LightModelSettings):
    """Environment of ``proceed``."""

    fleets: str
    """The deployed fleets and their models, as ``Fleets.to_text`` writes them."""
    machines: str = "ecs"
    """As in ``serval.fleets.settings``."""
    dispatch_function: str = ""
    """As in ``serval.fleets.settings``."""
    answers_table: str = ""
    """As in ``InferSettings``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackSettings(Settings):
    """Environment of ``callback``."""

    stage: str
    """Names the queue."""
    registry_table: str
    requests_table: str
    data_bucket: str
    callback_local: int = 0
    """As in ``SubmitSettings``."""
