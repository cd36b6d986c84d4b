"""Batch jobs of two stages that want one prefix, with deaths between any two writes."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from serval.batch.job.job import BatchJob
from serval.batch.job.keys import Address
from serval.batch.job.layout import ShardItem
from serval.batch.job.lifecycle import JobStopped
from serval.errors import BatchConflict, BatchRefused
from tests.fakes.batch import DATA, BatchStage
from tests.fakes.jobs import InMemoryJobs
from tests.fakes.objects import InMemoryObjects
from tests.stateful.interruptions import Interrupted, Interrupting, Interruption, interruptions

HERE = "s3://out-bucket/here/"
ROWS = b"a,b,c\n" + b"".join(b"%d,%d,%d\n" % (n, 10 * n, 100 * n) for n in range(1, 5))
COLUMNS = {"ab": ["a", "b"], "bc": ["b", "c"], "ca": ["c", "a"]}
SUMS = {"ab": 11, "bc": 110, "ca": 101}
"""What each choice of columns makes of the first row."""
MOST_JOBS = 4
WHICH = st.integers(0, MOST_JOBS - 1)
ACTIONS = st.tuples(st.sampled_from(["advance", "through", "cancel", "retry"]), WHICH)


@dataclass
class Asked:
    """A job, and how far its execution is."""

    stage: BatchStage
    event: dict[str, Any]
    columns: str
    id: str = ""
    step: str = "accept"
    lines: list[Any] = field(default_factory=list)
    attempt: int = 1

    @property
    def row(self) -> BatchJob | None:
        return self.stage.store.find(self.id) if self.id else None


class ObjectsWitness:
    """A bucket that knows which job has written what, and which one deletes it."""

    def __init__(self, objects: InMemoryObjects, jobs: list[Asked]) -> None:
        self._objects, self._jobs = objects, jobs
        self.actor = ""
        self.writers: dict[str, str] = {}
        self.offences: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._objects, name)

    def put(self, address: Address, body: bytes) -> None:
        self.writers[address.key] = self.actor
        self._objects.put(address, body)

    def sink(self, address: Address) -> Any:
        self.writers[address.key] = self.actor
        return self._objects.sink(address)

    def delete(self, addresses: Sequence[Address]) -> None:
        for address in addresses:
            writer = self.writers.get(address.key)
            row = next((one.row for one in self._jobs if one.id and one.id == writer), None)
            if row is not None and row.open and writer != self.actor:
                self.offences.append(f"{self.actor} deletes {address}, which is of {writer}")
        self._objects.delete(addresses)


class PrefixMachine(RuleBasedStateMachine):
    """Two stages on one bucket; a subclass may have another table of jobs."""

    def __init__(self) -> None:
        super().__init__()
        self.interrupting = Interrupting()
        self.jobs: list[Asked] = []
        objects = InMemoryObjects()
        objects.buckets |= {name: {} for name in (DATA, "out-bucket")}
        self.witness = ObjectsWitness(objects, self.jobs)
        reached = Interrupted(self.witness, self.interrupting)
        self.stages = [
            BatchStage(
                objects=reached,
                store=Interrupted(self.make_jobs(), self.interrupting),
                stage=name,
            )
            for name in ("prod", "test")
        ]

    def make_jobs(self) -> Any:
        return InMemoryJobs()

    @precondition(lambda self: len(self.jobs) < MOST_JOBS)
    @rule(columns=st.sampled_from(list(COLUMNS)), other=st.sampled_from([False, False, True]))
    def ask(self, columns: str, other: bool) -> None:
        """Ask for one more job; one in three is of the other stage."""
        options = {
            "columns": {"x": COLUMNS[columns]},
            "output": {"prefix": HERE},
            "shard_bytes": 24,
            "csv": {"quoted_newlines": "never"},
        }
        stage = self.stages[other]
        event = stage.upload(f"{len(self.jobs)}.csv", ROWS, options)
        self.jobs.append(Asked(stage, event, columns))

    @precondition(lambda self: self.jobs)
    @rule(action=ACTIONS, interruption=interruptions(), meanwhile=st.lists(ACTIONS, max_size=3))
    def act(self, action: Any, interruption: Interruption | None, meanwhile: list[Any]) -> None:
        def others() -> None:
            for one in meanwhile:
                if one[1] % len(self.jobs) != action[1] % len(self.jobs) or one[0] == "cancel":
                    self._do(*one)

        self.interrupting.run(lambda: self._do(*action), interruption, others)

    @precondition(lambda self: len(self.jobs) < MOST_JOBS)
    @rule(columns=st.sampled_from(list(COLUMNS)), at=st.integers(0, 3))
    def take_over(self, columns: str, at: int) -> None:
        """Have a job take the prefix of one that is retried between what is read and written."""
        self.ask(columns, False)
        which = len(self.jobs) - 1
        self._do("advance", which)
        self._do("advance", which)
        self._do("cancel", which)
        if len(self.jobs) < MOST_JOBS:
            self.ask("ab", False)
            between = Interruption(at, "meanwhile", conditional=True)

            def retried() -> None:
                self._do("retry", which)
                self._do("advance", which)

            self.interrupting.run(lambda: self._do("advance", which + 1), between, retried)

    @invariant()
    def everything_holds(self) -> None:
        assert self.witness.offences == []

    def teardown(self) -> None:
        """Let every job go on that can: each answers by its own plan."""
        for which in range(len(self.jobs)):
            self._do("through", which)
        self.everything_holds()

    def _do(self, verb: str, which: int) -> None:
        asked = self.jobs[which % len(self.jobs)]
        before = self.witness.actor
        try:
            self._as(asked, getattr(self, f"_{verb}"))
        except BatchConflict:
            pass  # It is too late to cancel it, or too early for a retry.
        finally:
            self.witness.actor = before

    def _as(self, asked: Asked, deed: Callable[[Asked], object]) -> None:
        self.witness.actor = asked.id
        deed(asked)

    def _through(self, asked: Asked) -> None:
        for _ in range(5):
            self._advance(asked)

    def _cancel(self, asked: Asked) -> None:
        if (row := asked.row) is not None:
            asked.stage.control.cancel(row)

    def _retry(self, asked: Asked) -> None:
        if (row := asked.row) is not None:
            asked.attempt = asked.stage.control.retry(row).attempt
            asked.event, asked.step = {"origin": "api", "job": row.id}, "accept"

    def _advance(self, asked: Asked) -> None:
        """Do the next step of an execution; what stops or refuses it is finished."""
        try:
            asked.step = getattr(self, f"_{asked.step}_step")(asked)
        except (JobStopped, BatchRefused) as error:
            self._finish(asked, error)

    def _finish(self, asked: Asked, error: Exception) -> None:
        row = asked.row
        assert row is not None
        assert row.stopping, f"it goes on, and ends of another: {error}"
        ending = {"Error": type(error).__name__, "Cause": str(error)}
        asked.stage.finish_job.finish({"job": asked.id, "error": ending})
        asked.step = "over"

    def _accept_step(self, asked: Asked) -> str:
        owner = f"{self.jobs.index(asked)}-{asked.attempt}"
        outcome = asked.stage.accepting.accept(asked.event, owner)
        asked.id = outcome.get("job", asked.id)
        return "plan" if outcome["outcome"] == "accepted" else "over"

    def _plan_step(self, asked: Asked) -> str:
        self.witness.actor = asked.id
        outcome = asked.stage.planning.plan(asked.id)
        if outcome["outcome"] not in ("shards", "assemble"):
            return "over"
        if outcome["outcome"] == "assemble":
            return "assemble"
        place = Address(outcome["items"]["bucket"], outcome["items"]["key"])
        asked.lines = list(map(json.loads, (self.witness.get(place) or b"").splitlines()))
        return "shards"

    def _shards_step(self, asked: Asked) -> str:
        for line in asked.lines:
            asked.stage.work.run(ShardItem.from_json(line), None, lambda: 900.0)
        return "assemble"

    def _assemble_step(self, asked: Asked) -> str:
        if asked.stage.assembly.assemble(asked.id)["outcome"] == "succeeded":
            written = self.witness.body(f"{HERE}output.csv").decode().splitlines()[1:]
            totals = [float(line.split(",")[0]) for line in written]
            assert totals == [SUMS[asked.columns] * n for n in range(1, 5)], "another job's plan"
        return "over"

    def _over_step(self, asked: Asked) -> str:
        return "over"
