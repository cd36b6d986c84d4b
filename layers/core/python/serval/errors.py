"""Every error that Serval raises on purpose: typed facts that write their own message.

::

    ServalError
    ├── InvalidRequest
    │   ├── MalformedBody          the body is not what its headers say
    │   ├── InvalidTensor          one tensor of the request does not fit the signature
    │   ├── InvalidParameter       a request parameter has an impossible value
    │   ├── InvalidInputs          the set of tensors does not fit the signature
    │   └── UnsupportedFeature     the protocol has it, Serval does not
    ├── NotAuthenticated
    │   ├── ApiKeyMissing          no key was sent
    │   └── ApiKeyRejected         the key is unknown or revoked
    ├── ModelOutOfScope            the key is good, but not for this model
    ├── AddressOutOfScope          the key's batch jobs may not read or write there
    ├── NotFound
    │   ├── ModelNotFound          no such model is registered
    │   ├── ModelVersionNotFound   the model has no such version
    │   ├── ModelWithoutFleet      the model runs on Lambda: it has no async requests
    │   ├── ModelOnFleet           the model runs on a fleet, and this function runs none
    │   ├── RequestNotFound        no such async request, or none that the caller may see
    │   ├── BatchJobNotFound       no such batch job, or none that the caller may see
    │   └── PathNotFound           no such route
    ├── RequestCancelled           a heavy request was cancelled while its caller waited
    ├── RequestConflict            the async request is not in a state for that
    ├── BatchConflict              the batch job is not in a state for that
    ├── RateLimited                the API key has used up what it may send in a minute
    ├── TooManyBatchJobs           the API key has as many open batch jobs as it may have
    ├── PayloadTooLarge            a request or a reply is over the limit
    ├── Unavailable
    │   ├── ArtifactUnavailable    an artifact is lost or corrupt; the next request tries again
    │   ├── RegistryUnavailable    the registry did not answer
    │   ├── StatisticsUnavailable  the metrics did not answer
    │   ├── StillWaiting           a heavy request goes on after its caller's connection
    │   └── ModelTooLarge          the version does not fit this function's limits
    ├── BatchRefused               a batch job cannot be done as it was asked
    ├── InferenceFailed            the runtime failed on a valid request
    ├── RequestFailed              a heavy request failed while its caller waited
    └── BundleRefused              a bundle cannot become a version

HTTP statuses are not known here: ``serval.http.status`` maps every leaf.
"""

import reprlib
from collections.abc import Sequence

LIMIT_SHOWN = 80
_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = LIMIT_SHOWN


def shown(value: object) -> str:
    """Write a value for a message: short, however long or deeply nested it was sent."""
    return f"{_short.repr(value):.{LIMIT_SHOWN}}"


class ServalError(Exception):
    """Base of every error that Serval raises on purpose."""


class InvalidRequest(ServalError):
    """The request cannot be answered as it was sent."""


class MalformedBody(InvalidRequest):
    """The body is not what its headers say it is."""


class InvalidTensor(InvalidRequest):
    """One tensor of the request does not fit the signature."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"tensor {shown(name)}: {problem}")
        self.name, self.problem = name, problem


class InvalidParameter(InvalidRequest):
    """A request parameter has an impossible value."""

    def __init__(self, name: str, value: object, expectation: str) -> None:
        super().__init__(f"parameter {name!r}: {shown(value)} given, {expectation} expected")
        self.name, self.value, self.expectation = name, value, expectation


class InvalidInputs(InvalidRequest):
    """The set of tensors does not fit the signature."""


class UnsupportedFeature(InvalidRequest):
    """The protocol has this feature, Serval does not."""


class NotAuthenticated(ServalError):
    """Nobody known is calling."""


class ApiKeyMissing(NotAuthenticated):
    """No API key was sent."""

    def __init__(self) -> None:
        super().__init__(
            "no API key: send it as 'Authorization: Bearer <key>' or 'x-api-key: <key>'"
        )


class ApiKeyRejected(NotAuthenticated):
    """The API key is unknown or revoked."""

    def __init__(self) -> None:
        super().__init__("the API key is unknown or revoked: `serval keys create` makes a new one")


class ModelOutOfScope(ServalError):
    """The API key is good, but not for this model."""

    def __init__(self, model: str) -> None:
        super().__init__(f"the API key has no scope for model {shown(model)}")
        self.model = model


class NotFound(ServalError):
    """What the request names does not exist."""


class ModelNotFound(NotFound):
    """No such model is registered."""

    def __init__(self, model: str) -> None:
        super().__init__(
            f"model {shown(model)} is not registered: `GET /v2/models` lists those that are"
        )
        self.model = model


class ModelVersionNotFound(NotFound):
    """The model has no such version."""

    def __init__(self, model: str, version: str) -> None:
        super().__init__(f"model {shown(model)} has no version {shown(version)}")
        self.model, self.version = model, version


class ModelWithoutFleet(NotFound):
    """The model runs on Lambda, which answers at once: it has no async requests."""

    def __init__(self, model: str) -> None:
        super().__init__(
            f"model {shown(model)} runs on no fleet, so it has no async requests: it answers at "
            f"once to POST /v2/models/{model:.63}/infer"
        )
        self.model = model


class ModelOnFleet(NotFound):
    """The model runs on a fleet, whose own route answers, and was asked for on another."""

    def __init__(self, model: str) -> None:
        super().__init__(
            f"model {shown(model)} runs on a fleet, and nothing on Lambda does: call "
            f"POST /v2/models/{model:.63}/infer, its name spelled out"
        )
        self.model = model


class RequestNotFound(NotFound):
    """No such async request, or none that the caller may see."""

    def __init__(self, request_id: str) -> None:
        super().__init__(f"async request {shown(request_id)} does not exist, or is not yours")
        self.request_id = request_id


class BatchJobNotFound(NotFound):
    """No such batch job, or none that the caller may see."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"batch job {shown(job_id)} does not exist, or is not yours")
        self.job_id = job_id


class PathNotFound(NotFound):
    """No such route."""

    def __init__(self, method: str, path: str, nearest: Sequence[str] = ()) -> None:
        remedy = f"there is {', '.join(nearest)}" if nearest else "`GET /openapi.json` lists all"
        super().__init__(f"no route {method} {path:.200}: {remedy}")
        self.method, self.path = method, path


class RequestConflict(ServalError):
    """The async request is not in a state for what was asked."""

    def __init__(self, request_id: str, problem: str) -> None:
        super().__init__(f"async request {shown(request_id)}: {problem}")
        self.request_id, self.problem = request_id, problem


class BatchConflict(ServalError):
    """The batch job is not in a state for what was asked."""

    def __init__(self, job_id: str, problem: str) -> None:
        super().__init__(f"batch job {shown(job_id)}: {problem}")
        self.job_id, self.problem = job_id, problem


class RateLimited(ServalError):
    """The API key has used up what it may send in a minute."""

    def __init__(
        self, limit: int, retry_seconds: int, what: str = "submit {} async requests"
    ) -> None:
        super().__init__(
            f"the API key may {what.format(limit)} a minute and has: try again in {retry_seconds} s"
        )
        self.limit, self.retry_seconds = limit, retry_seconds


class PayloadTooLarge(ServalError):
    """A request or a reply is over the limit."""

    def __init__(self, what: str, size_bytes: int, limit_bytes: int, remedy: str) -> None:
        super().__init__(f"{what}: {size_bytes} bytes, at most {limit_bytes} allowed; {remedy}")
        self.what, self.size_bytes, self.limit_bytes = what, size_bytes, limit_bytes


class Unavailable(ServalError):
    """Cannot be answered now; trying again may help."""


class ArtifactUnavailable(Unavailable):
    """An artifact is lost or corrupt; the next request tries again."""

    def __init__(self, model: str, version: str, problem: str, *, lost: bool = False) -> None:
        super().__init__(f"model {model!r} version {version!r} cannot be loaded: {problem}")
        self.model, self.version, self.problem = model, version, problem
        self.lost = lost
        """What there is cannot be used; false: the store did not answer."""


class RegistryUnavailable(Unavailable):
    """The registry did not answer."""


class StatisticsUnavailable(Unavailable):
    """The metrics did not answer."""


class StillWaiting(Unavailable):
    """A heavy request goes on after its caller's connection."""

    def __init__(self, model: str, request_id: str, waited_seconds: float) -> None:
        super().__init__(
            f"model {model!r} runs on a fleet and has not answered within {waited_seconds:.0f} s; "
            f"the work goes on as async request {request_id!r}: GET /async/requests/{request_id}"
        )
        self.request_id = request_id


class RequestCancelled(ServalError):
    """A heavy request was cancelled while its caller waited for it."""

    def __init__(self, request_id: str) -> None:
        super().__init__(f"async request {shown(request_id)} was cancelled before it had a result")
        self.request_id = request_id


class ModelTooLarge(Unavailable):
    """The version does not fit this function's memory or storage."""


class InferenceFailed(ServalError):
    """The runtime failed on a valid request."""

    def __init__(self, model: str, version: str, problem: str) -> None:
        super().__init__(f"model {model!r} version {version!r} failed: {problem}")
        self.model, self.version, self.problem = model, version, problem


class RequestFailed(ServalError):
    """A heavy request failed while its caller waited for it."""

    def __init__(self, request_id: str, problem: str) -> None:
        super().__init__(f"async request {shown(request_id)} failed: {problem}")
        self.request_id, self.problem = request_id, problem


class BatchRefused(ServalError):
    """A batch job cannot be done as it was asked."""


class BundleRefused(ServalError):
    """A bundle cannot become a version; every reason found is kept, in words."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = tuple(reasons)


class AddressOutOfScope(ServalError):
    """The API key may not have a batch job read or write at an address."""

    def __init__(self, what: str, address: str, prefixes: Sequence[str]) -> None:
        among = ", ".join(prefixes[:6])
        super().__init__(
            f"{what} {shown(address)}: the API key's batch jobs read and write only under {among}; "
            "other prefixes are allowed by the stage's setting batch_prefixes"
        )
        self.what, self.address = what, address


class TooManyBatchJobs(ServalError):
    """The API key has as many open batch jobs of a model as it may have."""

    retry_seconds = 60

    def __init__(self, model: str, limit: int) -> None:
        super().__init__(
            f"the API key has {limit} open batch jobs of model {model!r}, as many as it may: wait "
            "for one to end, or cancel it"
        )
        self.model, self.limit = model, limit
