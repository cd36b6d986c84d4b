"""The ``serval`` command in this process, on a stage in memory that has fleets."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from serval.aws.sqs.queues import QueueCounts
from serval.clock import timestamp, utc_now
from serval.errors import ModelNotFound
from serval.fleets.state import FleetState, WorkerState
from serval.models.deployed_fleets import Fleets
from serval.models.route import Route
from serval.requests.redrive import DeadLetter
from tests.fakes.command_line import Terminal
from tests.fakes.requests import (
    FLEETS,
    InMemoryDeadLetters,
    InMemoryFleetStates,
    InMemoryPayloads,
    InMemoryQueue,
    InMemoryRequests,
    async_request,
)

COMMANDS = ("fleets", "pause", "redrive", "request", "requests", "resume")


@dataclass
class Queues(InMemoryQueue):
    """What ``ModelQueues`` gives: live queues and dead-letter queues."""

    letters: InMemoryDeadLetters = field(default_factory=InMemoryDeadLetters)

    def counts(self, model: str, *, paired: bool = False) -> QueueCounts:
        return QueueCounts(
            visible=len(self.sent[model]), in_flight=0, dead=len(self.letters.waiting[model])
        )

    def dead_letters(self, model: str) -> Sequence[DeadLetter]:
        return self.letters.dead_letters(model)

    def delete_dead_letter(self, model: str, letter: DeadLetter) -> None:
        self.letters.delete_dead_letter(model, letter)

    def release_dead_letters(self, model: str, letters: Sequence[DeadLetter]) -> None:
        self.letters.release_dead_letters(model, letters)


class RegisteredModels:
    """What ``DynamoDBRegistry`` tells of models: those of the fleets, and one on Lambda."""

    def models(self) -> Sequence[str]:
        return sorted([*FLEETS.models, "iris"])

    def route(self, model: str) -> Route:
        if model not in self.models():
            raise ModelNotFound(model)
        return Route("1")


@dataclass
class FleetStage(Terminal):
    """A user whose stage has the fleets ``gpu`` (spot) and ``managed``."""

    name: str = "local"
    local: object = True
    fleets: Fleets = FLEETS
    registry: RegisteredModels = field(default_factory=RegisteredModels)
    requests: InMemoryRequests = field(default_factory=InMemoryRequests)
    queues: Queues = field(default_factory=Queues)
    fleet_states: InMemoryFleetStates = field(default_factory=InMemoryFleetStates)
    payloads: InMemoryPayloads = field(default_factory=InMemoryPayloads)
    instances: int = 0
    """Of the SageMaker endpoint."""
    enabled: list[str] = field(default_factory=list)
    """Rules that were switched on."""

    def __post_init__(self) -> None:
        for name in COMMANDS:
            module = importlib.import_module(f"serval_cli.commands.heavy.{name}")
            self.monkeypatch.setattr(module, "find_stage", lambda *_, **__: self)

    def client(self, service: str) -> Any:
        assert service in {"events", "sagemaker", "sagemaker-runtime"}
        return self

    def enable_rule(self, Name: str) -> None:  # noqa: N803
        self.enabled.append(Name)

    def describe_endpoint(self, EndpointName: str) -> dict[str, Any]:  # noqa: N803
        assert EndpointName == "serval-local-managed"
        return {"ProductionVariants": [{"CurrentInstanceCount": self.instances}]}

    def ask(self, request_id: str, age_seconds: float = 0, **members: Any) -> None:
        """Have a request in the table; one that is queued has its message."""
        created = timestamp(utc_now() - timedelta(seconds=age_seconds))
        row = async_request(request_id, **{"created": created, "updated": created, **members})
        self.requests.rows[request_id] = row
        if row.status == "queued":
            self.queues.sent[row.model].append(request_id)

    def dead(self, request_id: str, reason: str) -> None:
        """Have a request that failed, and its dead letter."""
        self.ask(request_id, status="failed", error=reason, attempts=3, version="2")
        self.queues.letters.add("textgen", request_id, reason)

    def awake(self, fleet: str = "gpu", **members: Any) -> None:
        """Have a fleet that is awake."""
        woken = timestamp(utc_now())
        state = FleetState(fleet=fleet, **{"machines": 2, "woken": woken, **members})
        self.fleet_states.states[fleet] = state

    def worker(self, name: str, accelerator: str, **members: Any) -> None:
        """Have a worker of fleet ``gpu`` that speaks."""
        now = timestamp(utc_now())
        said = WorkerState(
            fleet="gpu", worker=name, accelerator=accelerator, started=now, seen=now, **members
        )
        self.fleet_states.report(said)
