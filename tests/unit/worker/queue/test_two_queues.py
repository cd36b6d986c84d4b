"""A rollout on two machines: however it goes and ends, nothing is lost, and each request ends once.

Workers read the fleet's row late, know routes that are old, die and are reclaimed; ticks name
workers that are gone. Deploys take the second machine away, with the candidate's queue and what is
in it. A machine holds one version, as a server of one process does.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from serval.errors import ArtifactUnavailable
from serval.fleets.canaries import Sides, choose_all, find_splits
from serval.inference.loaded import LoadedVersions
from serval.models.route import ROUTE_SECONDS, KnownVersions, Route
from serval.models.server_declaration import ServerDeclaration
from serval.models.version import Form, ModelVersion
from serval.worker.program.faults import VersionNotHeld
from tests.fakes.inbox import name_of
from tests.fakes.worker import LEASE, Scripted, Stepped, World, row_of
from tests.stateful.extent import extent
from tests.unit.worker.queue.test_nothing_is_lost import ADDED, ASKED, NUMBERS, Fleet

SPLIT = "textgen"
SERVER = {"kind": "http", "protocol": "v2", "server": "lmi", "port": 1}
NUMBERED = {"1": ADDED[SPLIT], "2": 2.0, "3": 3.0}
"""Version → what it adds."""


class OneProcess:
    """What a machine has in memory whose server holds one version."""

    def __init__(self, world: World, name: str, sides: Sides) -> None:
        self.world, self.sides = world, sides
        self.route = KnownVersions(world.registry, world.clock.monotonic).route
        self.loaded = LoadedVersions(
            world.registry.version,
            world.registry,
            self.open,
            world.folder / name,
            world.limits,
            tidy=self.tidy,
        )

    def held(self, record: ModelVersion) -> tuple[str, ...]:
        """Name the versions that the server is to hold."""
        route = self.route(record.model)
        apart = self.sides.of(record.model, route) == "candidate"
        return ServerDeclaration.of(record).list_held(route, apart=apart)

    def open(self, record: ModelVersion, path: object, form: Form | None) -> Scripted:
        """Open a version, in the place of the one that the server held."""
        if record.model == SPLIT and record.version not in self.held(record):
            own = ArtifactUnavailable(record.model, record.version, "it has no turn")
            raise own from VersionNotHeld(awaited=True)
        self.tidy()
        return self.world.open_model(record, path, form)  # type: ignore[arg-type]

    def tidy(self) -> None:
        """Let go what the server is not to hold."""
        for model, version in self.loaded.versions():
            record = self.world.registry.version(model, version)
            if model == SPLIT and version not in self.held(record):
                self.loaded.let_go(model, version)


def publish(world: World) -> None:
    """Publish every version, of which a process fills a machine."""
    for version, number in NUMBERED.items():
        world.registry.add(SPLIT, version, number)
        record = world.registry.records[SPLIT, version]
        bundle = {**record.bundle, "runtime": SERVER}
        world.registry.records[SPLIT, version] = replace(record, bundle=bundle)


def start(world: World, name: str) -> Stepped:
    """Start a worker beside a server."""
    sides = world.sides(name)
    loaded = OneProcess(world, name, sides).loaded
    return world.worker(name, loaded=loaded, sides=sides if world.paired else None)


def choose(world: World, workers: Sequence[Stepped], row: str) -> str:
    """Name who holds the candidate, as a tick does."""
    canaries = find_splits(world.sides("any").fleet, world.registry)
    present = [one.worker.report.state(draining=False) for one in workers]
    return choose_all(canaries, present, row)


def obey(worker: Stepped, row: str) -> None:
    """Let a worker read who holds the candidate."""
    if (sides := worker.worker.report.sides) is not None:
        sides.obey(row)


def deploy_one_machine(world: World) -> list[str]:
    """Take the second machine away; name the requests whose messages go with the queue."""
    world.paired = ()
    lost = world.inbox.queues.pop(name_of(SPLIT, "candidate"), [])
    return [one.request_id for one in lost]


class SplitFleet(Fleet):
    """Two workers, rollouts of a model of which each of them holds one version, and ticks."""

    @initialize(asked=ASKED)
    def begin(self, asked: Sequence[tuple[str, str]]) -> None:
        self.row, self.rollouts = "", 0
        super().begin(asked)
        self.world.paired = (SPLIT,)
        publish(self.world)
        self.world.registry.routes[SPLIT] = Route("1")
        self.workers = [start(self.world, f"w{number}") for number in range(2)]
        self.roll("2", 50, told=True)

    def replace(self, number: int) -> None:
        self.workers[number] = start(self.world, f"w{self.started}")
        self.started += 1

    @rule(
        candidate=st.sampled_from(["2", "3"]),
        percent=st.sampled_from([10, 50, 100]),
        told=st.booleans(),
    )
    def roll(self, candidate: str, percent: int, told: bool) -> None:
        """Give a candidate a share, as a step of its rollout or the first of another one."""
        route = self.world.registry.routes[SPLIT]
        if candidate == route.stable:
            return
        self.rollouts += candidate != route.candidate
        self.world.registry.routes[SPLIT] = Route(
            route.stable, candidate, percent, f"r{self.rollouts}"
        )
        if told:
            self.tell()

    @rule()
    def tell(self) -> None:
        """Let everybody know what is, as after a while."""
        self.tick()
        for number in range(2):
            self.read_row(number)
        self.world.clock.pass_seconds(ROUTE_SECONDS + 1)

    @rule(promoted=st.booleans())
    def end_rollout(self, promoted: bool) -> None:
        """End a rollout, one way or the other."""
        route = self.world.registry.routes[SPLIT]
        stable = route.candidate if promoted and route.candidate else route.stable
        self.world.registry.routes[SPLIT] = Route(stable)

    @rule()
    def tick(self) -> None:
        """Name who holds the candidate."""
        self.row = choose(self.world, self.workers, self.row)

    @rule(number=NUMBERS)
    def read_row(self, number: int) -> None:
        """Let a worker read who that is."""
        obey(self.workers[number], self.row)

    @rule(machines=st.integers(1, 2))
    def deploy(self, machines: int) -> None:
        """Lower the fleet's maximum, or raise it again; other workers come either way."""
        lost = deploy_one_machine(self.world)
        if machines == 2:
            self.world.paired = (SPLIT,)
        for number in range(2):
            self.replace(number)
        for request_id in lost:  # as `sweep` does
            self.world.inbox.send(SPLIT, request_id)

    def results_are_there_and_right(self) -> None:
        for row in self.world.store.rows.values():
            if row.status == "succeeded":
                assert self.kinds[row.id] == "good"
                added = NUMBERED[str(row.version)] if row.model == SPLIT else ADDED[row.model]
                assert self.world.result(row.id) == [1.0 + added, added]

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        with self.folder:
            if len(self.kinds) % 2:
                self.end_rollout(promoted=False)
            for _ in range(20 * (1 + len(self.kinds))):
                if not any(self.world.inbox.queues.values()):
                    break
                self.tell()
                for number in range(2):
                    self.do(number, Stepped.work)
                self.world.clock.pass_seconds(LEASE.total_seconds() + 1)
            self.everyone_has_ended()


TestSplitFleet = SplitFleet.TestCase
TestSplitFleet.settings = extent(60, steps=30)


def test_a_deploy_that_takes_the_second_machine_away_costs_no_request_and_blames_no_candidate(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, models=(SPLIT,), paired=(SPLIT,))
    publish(world)
    world.registry.routes[SPLIT] = Route("1", "2", 50, "r1")
    workers = [start(world, name) for name in ("w1", "w2")]
    row = choose(world, workers, "")
    for one in workers:
        obey(one, row)
    [stable] = [one for one in workers if one.worker.fetch.takes(SPLIT, "stable")]
    before = [f"r{number}" for number in range(10)]
    world.submit(*before, payload=row_of(1.0))
    stable.work()

    lost = deploy_one_machine(world)
    only = start(world, "w3")
    after = [f"r{number}" for number in range(10, 20)]
    world.submit(*after, payload=row_of(1.0))
    while only.work():
        pass
    assert [request_id for request_id in before if world.row(request_id).open] == lost != []
    for request_id in lost:  # as `sweep` does
        world.inbox.send(SPLIT, request_id)
    while only.work():
        pass

    rows = [world.row(request_id) for request_id in [*before, *after]]
    assert {(row.status, row.version, row.attempts) for row in rows} == {("succeeded", "1", 1)}
    only.worker.counts.flush()
    assert {one["Track"] for one in world.metrics()} == {"stable"}
    assert not any(world.inbox.queues.values())


def test_a_request_whose_candidate_gives_way_to_another_on_an_only_machine_is_not_charged(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, models=(SPLIT,))
    publish(world)
    world.registry.routes[SPLIT] = Route("1", "3", 50, "r1")
    only = start(world, "w1")
    world.submit(*(f"r{number}" for number in range(10)), payload=row_of(1.0))
    only.fetch()
    only.prepare()
    world.registry.routes[SPLIT] = Route("1", "2", 100, "r2")
    world.clock.pass_seconds(ROUTE_SECONDS + 1)
    while any(world.inbox.queues.values()):
        only.work()
        world.clock.pass_seconds(LEASE.total_seconds() + 1)

    rows = [world.row(f"r{number}") for number in range(10)]
    assert {(row.status, row.attempts) for row in rows} == {("succeeded", 1)}
