"""A rollout on two machines: however it goes and ends, nothing is lost, and each request ends once.

Workers read the fleet's row late, know routes that are old, die and are reclaimed; ticks name
workers that are gone. A machine holds one version, as a server of one process does.
"""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from serval.errors import ArtifactUnavailable
from serval.fleets.canaries import Sides, choose_all, find_splits
from serval.inference.loaded import LoadedVersions
from serval.models.route import ROUTE_SECONDS, KnownVersions, Route
from serval.models.server_declaration import ServerDeclaration
from serval.models.version import Form, ModelVersion
from serval.worker.program.faults import VersionNotHeld
from tests.fakes.worker import LEASE, Scripted, Stepped, World
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


class SplitFleet(Fleet):
    """Two workers, rollouts of a model of which each of them holds one version, and ticks."""

    @initialize(asked=ASKED)
    def begin(self, asked: Sequence[tuple[str, str]]) -> None:
        self.row, self.rollouts = "", 0
        super().begin(asked)
        self.world.paired = (SPLIT,)
        registry = self.world.registry
        for version, number in NUMBERED.items():
            registry.add(SPLIT, version, number)
            record = registry.records[SPLIT, version]
            bundle = {**record.bundle, "runtime": SERVER}
            registry.records[SPLIT, version] = replace(record, bundle=bundle)
        registry.routes[SPLIT] = Route("1")
        self.workers = [self.start(number) for number in range(2)]
        self.roll("2", 50, told=True)

    def start(self, number: int) -> Stepped:
        """Start a worker."""
        name = f"w{number}"
        sides = self.world.sides(name)
        return self.world.worker(
            name, loaded=OneProcess(self.world, name, sides).loaded, sides=sides
        )

    def replace(self, number: int) -> None:
        self.workers[number] = self.start(self.started)
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
        canaries = find_splits(self.world.sides("any").fleet, self.world.registry)
        present = [one.worker.report.state(draining=False) for one in self.workers]
        self.row = choose_all(canaries, present, self.row)

    @rule(number=NUMBERS)
    def read_row(self, number: int) -> None:
        """Let a worker read who that is."""
        sides = self.workers[number].worker.report.sides
        assert sides is not None
        sides.obey(self.row)

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
