"""Checks of a submission before it becomes an async request."""

from collections.abc import Callable
from dataclasses import dataclass, field

from serval.errors import (
    InvalidInputs,
    ModelNotFound,
    ModelVersionNotFound,
    ModelWithoutFleet,
    UnsupportedFeature,
)
from serval.inference.run import read_fitting
from serval.models.deployed_fleets import DeployedFleet, Fleets
from serval.models.route import Remembered, Route
from serval.models.storage import VERSION
from serval.models.version import ModelVersion
from serval.protocol.limits import MOST, RequestLimits
from serval.protocol.request import check_json_size
from serval.requests.stream.piece import STREAMED_TASK, is_one_text
from serval.requests.submit.submission import Submission


@dataclass(frozen=True, slots=True)
class SubmissionChecks:
    """Checks submissions against the stage's fleets and the versions of their models."""

    fleets: Fleets
    read_version: Callable[[str, str], ModelVersion]
    """Reads a version's record, or raises ``ModelVersionNotFound``."""
    limits: RequestLimits = MOST
    _versions: Remembered[tuple[str, str], ModelVersion] = field(default_factory=Remembered)

    def find_fleet(self, model: str) -> DeployedFleet:
        """Return the fleet of a registered model, or raise ``ModelWithoutFleet``."""
        try:
            return self.fleets.of_model(model)
        except ModelNotFound:
            raise ModelWithoutFleet(model) from None

    def find_version(self, model: str, route: Route, wanted: str | None) -> ModelVersion:
        """Return the version asked for, or the stable one.

        Raises
        ------
        ModelVersionNotFound
            If the model has no such version.
        """
        number = route.stable if wanted is None else wanted
        if not VERSION.fullmatch(number):
            raise ModelVersionNotFound(model, number)
        return self._versions.get((model, number), lambda: self.read_version(model, number))

    def check(self, submission: Submission, record: ModelVersion) -> None:
        """Refuse a request that does not fit the signature; an upload is checked when it runs.

        Raises
        ------
        InvalidRequest
            Naming the tensor, the value and the expectation; or if what is asked for cannot be
            streamed.
        PayloadTooLarge
            If its JSON is longer than is read here, or, in an upload, anywhere.
        """
        payload, length = submission.payload, submission.header_length
        if submission.stream:
            check_writes_streams(record, self.find_fleet(submission.model))
        if isinstance(payload, bytes):
            request = read_fitting(payload, length, record, self.limits.json_bytes)
            if submission.stream and not is_one_text(request.inputs):
                raise InvalidInputs("a stream has one text: the input 'text', BYTES [1], expected")
        else:
            check_json_size(submission.size_bytes if length is None else length)


def check_writes_streams(record: ModelVersion, fleet: DeployedFleet) -> None:
    """Refuse a stream of a version that answers only as a whole, or of a fleet that does."""
    if record.task != STREAMED_TASK:
        raise UnsupportedFeature(
            f"model {record.model!r} version {record.version} has {record.task or 'no task'}: "
            f"streams need the task {STREAMED_TASK!r}"
        )
    if fleet.kind != "spot":
        raise UnsupportedFeature(
            f"fleet {fleet.name!r} is of the kind {fleet.kind!r}, whose answers come as a whole: "
            "streams need a fleet of the kind 'spot'"
        )
