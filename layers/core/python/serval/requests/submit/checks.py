"""The door: what is checked of an async request before it becomes one."""

from collections.abc import Callable
from dataclasses import dataclass, field

from serval.errors import ModelNotFound, ModelVersionNotFound, ModelWithoutFleet
from serval.inference.run import read_fitting
from serval.models.deployed_fleets import DeployedFleet, Fleets
from serval.models.remembered import Remembered
from serval.models.route import Route
from serval.models.storage import VERSION
from serval.models.version import ModelVersion
from serval.protocol.content import check_json_size
from serval.protocol.limits import MOST, RequestLimits
from serval.requests.submit.submission import Submission


@dataclass(frozen=True, slots=True)
class Door:
    """Knows the stage's fleets, and the versions that it has seen: they never change."""

    fleets: Fleets
    find: Callable[[str, str], ModelVersion]
    """Reads a version's record, or raises ``ModelVersionNotFound``."""
    limits: RequestLimits = MOST
    _known: Remembered[tuple[str, str], ModelVersion] = field(default_factory=Remembered)

    def fleet(self, model: str) -> DeployedFleet:
        """Give the fleet of a model that is registered, or raise ``ModelWithoutFleet``."""
        try:
            return self.fleets.of_model(model)
        except ModelNotFound:
            raise ModelWithoutFleet(model) from None

    def version(self, model: str, route: Route, wanted: str | None) -> ModelVersion:
        """Give the version that is asked for, else the stable one.

        Raises
        ------
        ModelVersionNotFound
            If the model has no such version.
        """
        number = route.stable if wanted is None else wanted
        if not VERSION.fullmatch(number):
            raise ModelVersionNotFound(model, number)
        return self._known.get((model, number), lambda: self.find(model, number))

    def check(self, asked: Submission, record: ModelVersion) -> None:
        """Refuse a request that does not fit the signature; an upload is checked where it runs.

        Raises
        ------
        InvalidRequest
            Naming the tensor, the value and the expectation.
        PayloadTooLarge
            If there is more JSON in it than is read here, or, of an upload, anywhere.
        """
        if not isinstance(asked.payload, bytes):
            check_json_size(
                asked.size_bytes if asked.header_length is None else asked.header_length
            )
            return
        read_fitting(asked.payload, asked.header_length, record.signature, self.limits.json_bytes)
