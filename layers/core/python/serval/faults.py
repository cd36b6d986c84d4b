"""Whose fault each error is: one table for functions and workers.

Only the version's own faults count against it, in metrics, statistics and the rollout's verdict.
The caller's faults have a status of 4xx, so that no caller rings an alarm.
"""

from typing import Literal

from serval import errors
from serval.errors import ServalError

Fault = Literal["caller", "version", "stage"]
"""Who made the mistake; ``stage`` if nobody did, and a part of the stage did not answer."""

FAULT: dict[type[ServalError], Fault] = {
    errors.MalformedBody: "caller",
    errors.InvalidTensor: "caller",
    errors.InvalidParameter: "caller",
    errors.ContextTooLong: "caller",
    errors.InvalidInputs: "caller",
    errors.UnsupportedFeature: "caller",
    errors.ApiKeyMissing: "caller",
    errors.ApiKeyRejected: "caller",
    errors.ModelOutOfScope: "caller",
    errors.AddressOutOfScope: "caller",
    errors.ModelNotFound: "caller",
    errors.ModelVersionNotFound: "caller",
    errors.ModelOnFleet: "caller",
    errors.RequestNotFound: "caller",
    errors.BatchJobNotFound: "caller",
    errors.PathNotFound: "caller",
    errors.RequestConflict: "caller",
    errors.RequestCancelled: "caller",
    errors.BatchConflict: "caller",
    errors.RateLimited: "caller",
    errors.TooManyBatchJobs: "caller",
    errors.PayloadTooLarge: "caller",
    errors.BatchRefused: "caller",
    errors.BundleRefused: "caller",
    errors.ArtifactUnavailable: "version",
    errors.ModelTooLarge: "version",
    errors.InferenceFailed: "version",
    errors.RequestFailed: "version",
    errors.RegistryUnavailable: "stage",
    errors.ServiceUnavailable: "stage",
    errors.StillWaiting: "stage",
}

TRANSIENT_AT_AWS = frozenset(
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
"""Codes of AWS's errors that a repeated request may avoid; some come with status 400."""


def fault_of(error: ServalError) -> Fault:
    """Look up whose fault an error is; a test checks that the table has every leaf."""
    if isinstance(error, errors.ArtifactUnavailable) and not error.lost:
        return "stage"
    return FAULT[type(error)]
