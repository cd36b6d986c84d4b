"""HTTP statuses of Serval's errors: one table, at the edge."""

from http import HTTPStatus

from serval import errors
from serval.errors import AddressOutOfScope, ServalError, TooManyBatchJobs

STATUS: dict[type[ServalError], HTTPStatus] = {
    errors.MalformedBody: HTTPStatus.BAD_REQUEST,
    errors.InvalidTensor: HTTPStatus.BAD_REQUEST,
    errors.InvalidParameter: HTTPStatus.BAD_REQUEST,
    errors.ContextTooLong: HTTPStatus.BAD_REQUEST,
    errors.InvalidInputs: HTTPStatus.BAD_REQUEST,
    errors.UnsupportedFeature: HTTPStatus.BAD_REQUEST,
    errors.BatchRefused: HTTPStatus.BAD_REQUEST,
    errors.BundleRefused: HTTPStatus.BAD_REQUEST,
    errors.ApiKeyMissing: HTTPStatus.UNAUTHORIZED,
    errors.ApiKeyRejected: HTTPStatus.UNAUTHORIZED,
    errors.ModelOutOfScope: HTTPStatus.FORBIDDEN,
    AddressOutOfScope: HTTPStatus.FORBIDDEN,
    errors.ModelNotFound: HTTPStatus.NOT_FOUND,
    errors.ModelVersionNotFound: HTTPStatus.NOT_FOUND,
    errors.ModelOnFleet: HTTPStatus.NOT_FOUND,
    errors.RequestNotFound: HTTPStatus.NOT_FOUND,
    errors.BatchJobNotFound: HTTPStatus.NOT_FOUND,
    errors.PathNotFound: HTTPStatus.NOT_FOUND,
    errors.RequestConflict: HTTPStatus.CONFLICT,
    errors.RequestCancelled: HTTPStatus.CONFLICT,
    errors.BatchConflict: HTTPStatus.CONFLICT,
    errors.RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    TooManyBatchJobs: HTTPStatus.TOO_MANY_REQUESTS,
    errors.PayloadTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.InferenceFailed: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.RequestFailed: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.ArtifactUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.RegistryUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.ServiceUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.StillWaiting: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.ModelTooLarge: HTTPStatus.SERVICE_UNAVAILABLE,
}


def status_of(error: ServalError) -> HTTPStatus:
    """Look an error's status up; a test keeps the table total over the leaves."""
    return STATUS[type(error)]
