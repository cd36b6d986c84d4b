"""What a process remembers of one job, version, model or key is never another one's answer.

Each cache is asked for two things in both orders, and then again, with everything remembered.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serval.access.admission import Admission, Authenticator
from serval.access.api_key import ApiKey
from serval.inference.batch_limits import BatchLimits
from serval.inference.loaded import Limits, LoadedVersions
from serval.models.deployed_fleets import Fleets
from serval.models.route import KnownVersions, Route
from serval.models.statistics import RememberedStatistics, TrackStatistics
from serval.models.version import ModelVersion
from serval.requests.submit.checks import SubmissionChecks
from serval.worker.queue.targets import Targets
from tests.fakes.batch import ADDING
from tests.fakes.inference import version_record

MODELS = ("iris", "digits")
VERSIONS = [(model, version) for model in MODELS for version in ("1", "2")]
KEYS = ("srv_one", "srv_two")
Ask = Callable[[Any], Any]


class Registry:
    """Two models of two versions; the stable version of each is another one."""

    def version(self, model: str, version: str) -> ModelVersion:
        return version_record(model, version, f"{model} {version}".encode(), ADDING)

    def route(self, model: str) -> Route:
        return Route(str(MODELS.index(model) + 1))

    def key_and_route(self, key_hash: str, model: str) -> tuple[ApiKey, Route | None]:
        return ApiKey(key_hash[:12], key_hash, ("*",), "2026"), (
            self.route(model) if model else None
        )

    def of(self, tracks: Sequence[Any]) -> dict[Any, TrackStatistics]:
        return {track: TrackStatistics(requests=len(str(track))) for track in tracks}


def submission_checks(folder: Path) -> tuple[Ask, Sequence[Any]]:
    found = SubmissionChecks(Fleets({}), Registry().version)
    return lambda pair: found.find_version(pair[0], Route("9"), pair[1]).digest, VERSIONS


def known_records(folder: Path) -> tuple[Ask, Sequence[Any]]:
    found = KnownVersions(Registry(), lambda: 0.0)
    return lambda pair: found.version(*pair).digest, VERSIONS


def known_routes(folder: Path) -> tuple[Ask, Sequence[Any]]:
    found = KnownVersions(Registry(), lambda: 0.0)
    return lambda model: found.route(model).stable, MODELS


def loaded(folder: Path) -> tuple[Ask, Sequence[Any]]:
    class Store:
        def fetch(self, record: ModelVersion, path: str, destination: Path) -> None:
            destination.write_bytes(record.digest.encode())

    found = LoadedVersions(
        find=Registry().version,
        store=Store(),
        open_model=lambda record, path, form: path.read_text(),  # type: ignore[arg-type,return-value]
        folder=Path(tempfile.mkdtemp(dir=folder)),
        limits=Limits(2**30, 2**30),
    )
    return lambda pair: found.get(*pair).model, VERSIONS


def authenticated(folder: Path) -> tuple[Ask, Sequence[Any]]:
    found = Authenticator(lambda: 0.0)

    def ask(key: str) -> str:
        return found.authenticate(
            {"x-api-key": key}, lambda key_hash: ApiKey(key_hash, key_hash, ("*",), "2026")
        ).key_hash

    return ask, KEYS


def admitted(folder: Path) -> tuple[Ask, Sequence[Any]]:
    found = Admission(Registry(), Authenticator(lambda: 0.0), lambda: 0.0)

    def ask(call: tuple[str, str]) -> Any:
        headers = {"x-api-key": call[0]}
        caller, route = found.admit(headers, call[1])
        return caller.key_hash, route.stable

    return ask, [(key, model) for key in KEYS for model in MODELS]


def remembered(folder: Path) -> tuple[Ask, Sequence[Any]]:
    found = RememberedStatistics(Registry(), lambda: 0.0)
    tracks: list[Any] = [(model, track) for model in MODELS for track in ("stable", "candidate")]
    return lambda track: found.of([track])[track], tracks


CACHES = (
    submission_checks, known_records, known_routes, loaded,
    authenticated, admitted, remembered,
)  # fmt: skip


def orders(asked: Sequence[Any]) -> Iterator[Sequence[Any]]:
    yield asked
    yield asked[::-1]


@pytest.mark.parametrize("cache", CACHES, ids=lambda cache: cache.__name__)
def test_an_answer_does_not_depend_on_what_was_asked_before(cache, tmp_path: Path) -> None:
    _, things = cache(tmp_path)
    alone = {thing: cache(tmp_path)[0](thing) for thing in things}
    assert len({str(answer) for answer in alone.values()}) == len(things) or cache is remembered
    for order in orders(things):
        ask, _ = cache(tmp_path)
        for thing in (*order, *order):
            assert ask(thing) == alone[thing]


@pytest.mark.parametrize("order", [("1", "2"), ("2", "1")])
def test_a_models_batch_limits_are_its_stable_versions_whichever_was_looked_up_last(order) -> None:
    class TwoLimits(Registry):
        def version(self, model: str, version: str) -> ModelVersion:
            batching = {"batching": {"max_batch_size": 10 * int(version)}}
            return replace(super().version(model, version), bundle=batching)

    known = KnownVersions(TwoLimits(), lambda: 0.0)
    targets = Targets(known)
    assert targets.limits("digits") == BatchLimits()
    known.route("digits")
    for version in order:
        known.version("digits", version)
    assert targets.limits("digits").rows == 20
