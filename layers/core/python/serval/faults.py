"""Whose fault each error is: one table, for functions and workers alike.

Only what is a version's fault counts against it: in metrics, statistics and a rollout's verdict.
What is the caller's has a status of 4xx, so that no caller rings an alarm.
"""

from typing import Literal

from serval import errors
from serval.errors import AddressOutOfScope, ServalError, TooManyBatchJobs

Fault = Literal["caller", "version", "stage"]
"""Who made the mistake; ``stage``: nobody did, something that is there did not answer."""

FAULT: dict[type[ServalError], Fault] = {
    errors.MalformedBody: "caller",
    errors.InvalidTensor: "caller",
    errors.InvalidParameter: "caller",
    errors.InvalidInputs: "caller",
    errors.UnsupportedFeature: "caller",
    errors.ApiKeyMissing: "caller",
    errors.ApiKeyRejected: "caller",
    errors.ModelOutOfScope: "caller",
    AddressOutOfScope: "caller",
    errors.ModelNotFound: "caller",
    errors.ModelVersionNotFound: "caller",
    errors.ModelWithoutFleet: "caller",
    errors.ModelOnFleet: "caller",
    errors.RequestNotFound: "caller",
    errors.BatchJobNotFound: "caller",
    errors.PathNotFound: "caller",
    errors.RequestConflict: "caller",
    errors.RequestCancelled: "caller",
    errors.BatchConflict: "caller",
    errors.RateLimited: "caller",
    TooManyBatchJobs: "caller",
    errors.PayloadTooLarge: "caller",
    errors.BatchRefused: "caller",
    errors.BundleRefused: "caller",
    errors.ArtifactUnavailable: "version",
    errors.ModelTooLarge: "version",
    errors.InferenceFailed: "version",
    errors.RequestFailed: "version",
    errors.RegistryUnavailable: "stage",
    errors.StatisticsUnavailable: "stage",
    errors.StillWaiting: "stage",
}

PASSING_AT_AWS = frozenset(
    {
        "InternalServerError",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "SlowDown",
        "ThrottlingException",
    }
)
"""Errors of AWS, some of them with status 400, that a repeated request may not meet."""


def fault_of(error: ServalError) -> Fault:
    """Look up whose fault an error is; a test keeps the table total over the leaves."""
    if isinstance(error, errors.ArtifactUnavailable) and not error.lost:
        return "stage"
    return FAULT[type(error)]
