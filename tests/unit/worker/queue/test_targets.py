"""What a worker remembers of versions is of each version, in whichever order they were met."""

from dataclasses import replace

import pytest

from serval.models.route import KnownVersions, Route
from serval.worker.queue.targets import Targets
from tests.fakes.batch import InMemoryVersions
from tests.fakes.batch_api import IRIS
from tests.fakes.inference import version_record


def bundled(version: str, rows: int) -> InMemoryVersions:
    registry = InMemoryVersions()
    record = version_record("iris", version, b"graph", IRIS)
    registry.publish(replace(record, bundle={"batching": {"max_batch_size": rows}}))
    return registry


@pytest.fixture
def registry() -> InMemoryVersions:
    registry = bundled("2", 64)
    registry.records |= bundled("1", 8).records
    registry.routes["iris"] = Route("1")
    return registry


@pytest.mark.parametrize("order", ["12", "21"])
def test_requests_wait_for_each_other_as_the_stable_version_says(
    registry: InMemoryVersions, order: str
) -> None:
    now = [0.0]
    versions = KnownVersions(registry, lambda: now[0])
    targets = Targets(versions)
    assert targets.limits("iris").rows == 32
    versions.route("iris")
    for version in order:
        versions.version("iris", version)
    assert targets.limits("iris").rows == 8

    registry.routes["iris"], now[0] = Route("2"), 60.0
    versions.route("iris")
    assert targets.limits("iris").rows == 64
    registry.routes["iris"], now[0] = Route("1"), 120.0
    versions.route("iris")
    assert targets.limits("iris").rows == 8
