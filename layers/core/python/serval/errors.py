"""Every error that Serval raises on purpose. Each takes facts and writes its own message.

::

    ServalError
    ├── InvalidRequest
    │   ├── MalformedBody          the body is not what its headers say
    │   ├── InvalidTensor          a tensor of the request does not fit the signature
    │   ├── InvalidParameter       a request parameter has an impossible value
    │   ├── ContextTooLong         a prompt and what is to follow have no room in the model
    │   ├── InvalidInputs          the set of tensors does not fit the signature
    │   └── UnsupportedFeature     the protocol has it, Serval does not
    ├── NotAuthenticated
    │   ├── ApiKeyMissing          no key was sent
    │   └── ApiKeyRejected         the key is unknown or revoked
    ├── ModelOutOfScope            the key is good, but not for this model
    ├── AddressOutOfScope          the key is good, but not for this address
    ├── NotFound
    │   ├── ModelNotFound          no such model is registered
    │   ├── ModelVersionNotFound   the model has no such version
    │   ├── ModelOnFleet           the model runs on a fleet, and this function runs none
    │   ├── RequestNotFound        no such async request, or not the caller's
    │   ├── BatchJobNotFound       no such batch job, or not the caller's
    │   └── PathNotFound           no such route
    ├── RequestConflict            the state of the async request does not allow it
    ├── BatchConflict              the state of the batch job does not allow it
    ├── RateLimited                the API key has used up its requests of this minute
    ├── TooManyBatchJobs           the API key has used up its open batch jobs
    ├── PayloadTooLarge            a request or a reply is over the limit
    ├── Unavailable
    │   ├── ArtifactUnavailable    an artifact is lost or corrupt; the next request tries again
    │   ├── RegistryUnavailable    the registry did not answer
    │   ├── ServiceUnavailable     the metrics, or a model's function, did not answer
    │   ├── StillWaiting           a heavy request runs on after its caller's connection
    │   └── ModelTooLarge          the version does not fit this function's limits
    ├── RequestCancelled           a heavy request was cancelled while its caller waited
    ├── RequestFailed              a heavy request failed while its caller waited
    ├── InferenceFailed            the runtime failed on a valid request
    ├── BatchRefused               a batch job is impossible as it was requested
    └── BundleRefused              a bundle cannot become a version
"""

from collections.abc import Mapping, Sequence

from serval.short_repr import short_repr


class ServalError(Exception):
    """The base class of all of them."""


class InvalidRequest(ServalError):
    """The request is wrong; sending it again does not help."""


class MalformedBody(InvalidRequest):
    """The body is not what its headers say it is."""


class InvalidTensor(InvalidRequest):
    """One tensor of the request does not fit the signature."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"tensor {short_repr(name)}: {problem}")


class InvalidParameter(InvalidRequest):
    """A request parameter has an impossible value."""

    def __init__(self, name: str, value: object, expectation: str) -> None:
        given = " is missing:" if value is None else f": {short_repr(value)} given,"
        super().__init__(f"parameter {short_repr(name)}{given} {expectation} expected")
        self.name = name

    @classmethod
    def as_told(cls, name: str, message: str) -> "InvalidParameter":
        """Build the error of a parameter again from what it said."""
        error = cls.__new__(cls)
        error.args, error.name = (message,), name
        return error


class ContextTooLong(InvalidRequest):
    """A prompt and what is to follow have no room in the model."""


class InvalidInputs(InvalidRequest):
    """The set of tensors does not fit the signature."""

    said: Mapping[str, str] | None = None
    """Of what an inference server refuses: the ``type``, ``param`` and ``code`` that it names."""


class UnsupportedFeature(InvalidRequest):
    """The protocol has this feature, Serval does not."""


class NotAuthenticated(ServalError):
    """The caller is unknown."""


class ApiKeyMissing(NotAuthenticated):
    """No API key was sent."""

    def __init__(self) -> None:
        super().__init__("no API key: send 'Authorization: Bearer <key>' or 'x-api-key: <key>'")


class ApiKeyRejected(NotAuthenticated):
    """The API key, or the ticket in its place, is unknown or revoked."""

    def __init__(self, problem: str = "") -> None:
        key = "the API key is unknown or revoked: `serval keys create` makes a new one"
        super().__init__(problem or key)


class ModelOutOfScope(ServalError):
    """The API key is good, but not for this model."""

    def __init__(self, model: str) -> None:
        super().__init__(f"the API key has no scope for model {short_repr(model)}")


class AddressOutOfScope(ServalError):
    """The API key's batch jobs may not read or write at an address."""

    def __init__(self, what: str, address: str, prefixes: Sequence[str]) -> None:
        super().__init__(
            f"{what} {short_repr(address)}: the API key's batch jobs read and write only under "
            f"{', '.join(prefixes[:6])}; the stage's setting batch_prefixes allows others"
        )


class NotFound(ServalError):
    """What the request names does not exist."""


class ModelNotFound(NotFound):
    """No such model is registered."""

    def __init__(self, model: str) -> None:
        super().__init__(f"model {short_repr(model)} is not registered: `GET /v2/models` lists all")
        self.model = model


class ModelVersionNotFound(NotFound):
    """The model has no such version."""

    def __init__(self, model: str, version: str) -> None:
        known = f"`GET /v2/models/{model:.64}` lists those it has"
        super().__init__(f"model {short_repr(model)} has no version {short_repr(version)}: {known}")
        self.model, self.version = model, version


class ModelOnFleet(NotFound):
    """The model runs on a fleet, and the stage was deployed when it did not."""

    def __init__(self, model: str) -> None:
        super().__init__(
            f"model {short_repr(model)} runs on a fleet since the stage was deployed: run "
            "`serval deploy`, which leads its calls there"
        )


class RequestNotFound(NotFound):
    """No such async request, or it is another caller's."""

    def __init__(self, request_id: str) -> None:
        absent = f"async request {short_repr(request_id)} does not exist, or is not yours"
        super().__init__(f"{absent}: `GET /async/requests` lists yours")


class BatchJobNotFound(NotFound):
    """No such batch job, or it is another caller's."""

    def __init__(self, job_id: str) -> None:
        absent = f"batch job {short_repr(job_id)} does not exist, or is not yours"
        super().__init__(f"{absent}: `GET /batch/jobs` lists yours")


class PathNotFound(NotFound):
    """No such route."""

    def __init__(self, method: str, path: str, nearest: Sequence[str] = ()) -> None:
        remedy = f"there is {', '.join(nearest)}" if nearest else "`GET /openapi.json` lists all"
        super().__init__(f"no route {method} {path:.200}: {remedy}")


class RequestConflict(ServalError):
    """The state of the async request does not allow what the caller wants."""

    def __init__(self, request_id: str, problem: str) -> None:
        super().__init__(f"async request {short_repr(request_id)}: {problem}")


class BatchConflict(ServalError):
    """The state of the batch job does not allow what the caller wants."""

    def __init__(self, job_id: str, problem: str) -> None:
        super().__init__(f"batch job {short_repr(job_id)}: {problem}")


class RateLimited(ServalError):
    """The API key has used up its requests of this minute."""

    def __init__(self, limit: int, retry_seconds: int, what: str) -> None:
        super().__init__(
            f"the API key may {what.format(limit)} a minute and has: try again in {retry_seconds} s"
        )
        self.retry_seconds = retry_seconds


class TooManyBatchJobs(ServalError):
    """The API key has used up its open batch jobs of a model."""

    retry_seconds = 60

    def __init__(self, model: str, limit: int) -> None:
        super().__init__(
            f"the API key has {limit} open batch jobs of model {model!r}, as many as it may: wait "
            "for one to end, or cancel it"
        )


class PayloadTooLarge(ServalError):
    """A request or a reply is over the limit."""

    def __init__(self, what: str, size_bytes: int, limit_bytes: int, remedy: str) -> None:
        super().__init__(f"{what}: {size_bytes} bytes, at most {limit_bytes} allowed; {remedy}")
        self.what, self.size_bytes, self.limit_bytes = what, size_bytes, limit_bytes


class Unavailable(ServalError):
    """Something did not answer; trying again may help."""


class ArtifactUnavailable(Unavailable):
    """An artifact is lost or corrupt; the next request tries again."""

    def __init__(self, model: str, version: str, problem: str, *, lost: bool = False) -> None:
        super().__init__(f"model {model!r} version {version!r} cannot be loaded: {problem}")
        self.lost = lost
        """False if the store did not answer, which may pass."""


class RegistryUnavailable(Unavailable):
    """The registry did not answer."""


class ServiceUnavailable(Unavailable):
    """The metrics did not answer, or a model's own function the one that all models share."""


class StillWaiting(Unavailable):
    """A heavy request runs on after its caller's connection."""

    def __init__(self, model: str, request_id: str, waited_seconds: float) -> None:
        super().__init__(
            f"model {model!r} has not answered within {waited_seconds:.0f} s; "
            f"the work goes on as async request {request_id!r}: GET /async/requests/{request_id}"
        )
        self.request_id = request_id


class RequestCancelled(ServalError):
    """A heavy request was cancelled while its caller waited for it."""

    def __init__(self, request_id: str) -> None:
        super().__init__(f"async request {short_repr(request_id)} was cancelled before its result")


class RequestFailed(ServalError):
    """A heavy request failed while its caller waited for it."""

    def __init__(self, request_id: str, problem: str) -> None:
        super().__init__(f"async request {short_repr(request_id)} failed: {problem}")


class ModelTooLarge(Unavailable):
    """The version does not fit this function's memory or storage."""


class InferenceFailed(ServalError):
    """The runtime failed on a valid request."""

    def __init__(self, model: str, version: str, problem: str) -> None:
        super().__init__(f"model {model!r} version {version!r} failed: {problem}")


class BatchRefused(ServalError):
    """A batch job is impossible as it was requested."""


class BundleRefused(ServalError):
    """A bundle cannot become a version; ``reasons`` names every mistake found."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = tuple(reasons)
