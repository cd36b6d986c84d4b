"""Permissions on fleets: rows, machines, ticks, endpoints, and their models' queues."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from aws_cdk import ArnFormat, Stack

from serval.models.deployed_fleets import Fleets
from serval.models.resource_names import (
    callbacks_queue_name,
    candidate_queue_name,
    cluster_name,
    dead_letter_queue_name,
    endpoint_name,
    light_queue_name,
    queue_name,
    service_name,
    shards_queue_name,
    tick_rule_name,
)
from stacks.stage.grants import Granted
from stacks.stage.secrets import grant_secrets
from stacks.stage.stage import Stage
from stacks.storage.registry_table import RegistryTable

SEND = ("sqs:GetQueueUrl", "sqs:SendMessage")
TAKE = (
    "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessage",
    "sqs:GetQueueUrl",
    "sqs:ReceiveMessage",
)


@dataclass(frozen=True, slots=True)
class FleetRights:
    """Grants on the resources of fleets, which have fixed names."""

    stage: Stage
    fleets: Fleets
    registry: RegistryTable
    handlers: frozenset[str] = frozenset()
    """The fleets' models that are custom Python, which may have secrets."""

    def of_kind(self, kind: str) -> Sequence[str]:
        """Return the names of the fleets of a kind."""
        return [name for name, fleet in self.fleets.by_name.items() if fleet.kind == kind]

    def grant_rows(self, granted: Granted) -> None:
        """Grant reading and updating fleets' rows."""
        if self.fleets.by_name:
            self.registry.grant_fleets(granted)

    def grant_workers(self, granted: Granted) -> None:
        """Grant reading the reports of fleets' workers."""
        if self.fleets.by_name:
            self.registry.grant_list_workers(granted)

    def grant_machines(self, granted: Granted) -> None:
        """Grant changing the number of spot fleets' machines."""
        stage = self.stage.name
        self._allow(
            granted,
            ["ecs:DescribeServices", "ecs:UpdateService"],
            [
                arn(
                    granted,
                    "ecs",
                    f"service/{cluster_name(stage, fleet)}/{service_name(stage, fleet)}",
                )
                for fleet in self.of_kind("spot")
                if self.stage.fleet_machines
            ],
        )

    def grant_ticks(self, granted: Granted, *actions: str) -> None:
        """Grant actions on the rule of the ticks."""
        rule = arn(granted, "events", f"rule/{tick_rule_name(self.stage.name)}")
        self._allow(granted, actions, [rule] if self.fleets.by_name else [])

    def grant_endpoints(self, granted: Granted) -> None:
        """Grant invoking endpoints asynchronously, and counting their instances."""
        self._allow(
            granted,
            ["sagemaker:DescribeEndpoint", "sagemaker:InvokeEndpointAsync"],
            [
                arn(granted, "sagemaker", f"endpoint/{endpoint_name(self.stage.name, fleet)}")
                for fleet in self.of_kind("sagemaker")
            ],
        )

    def grant_send(self, granted: Granted) -> None:
        """Grant sending messages about requests of every fleet model."""
        self._on_queues(granted, SEND, queue_name, self.fleets.models)

    def grant_send_light(self, granted: Granted) -> None:
        """Grant sending messages about requests of models on Lambda."""
        self._allow(granted, SEND, [arn(granted, "sqs", light_queue_name(self.stage.name))])

    def grant_ask(self, granted: Granted) -> None:
        """Grant sending shards to the queue of every spot fleet, whose URL is known."""
        self._on_queues(granted, ["sqs:SendMessage"], shards_queue_name, self.of_kind("spot"))

    def grant_take_shards(self, granted: Granted, fleet: str) -> None:
        """Grant taking shards from a fleet's queue, and returning them."""
        self._on_queues(granted, {*SEND, *TAKE}, shards_queue_name, [fleet])

    def grant_end(self, granted: Granted, *fleets: str) -> None:
        """Grant resending or dead-lettering messages of these fleets' models."""
        self._on_queues(granted, SEND, queue_name, self._models(fleets))
        self._on_queues(granted, SEND, dead_letter_queue_name, self._models(fleets))

    def grant_take(self, granted: Granted, *fleets: str) -> None:
        """Grant taking messages of these fleets' models, and dead-lettering failed ones."""
        self._on_queues(granted, TAKE, queue_name, self._models(fleets))
        paired = [model for fleet in fleets for model in self.fleets.by_name[fleet].paired]
        # What one of a model's versions is to answer is passed on to its workers.
        self._on_queues(granted, SEND, queue_name, paired)
        self._on_queues(granted, {*SEND, *TAKE}, candidate_queue_name, paired)
        self._on_queues(granted, SEND, dead_letter_queue_name, self._models(fleets))

    def grant_secrets(self, granted: Granted, fleet: str) -> None:
        """Grant reading the secrets of a fleet's models that are custom Python."""
        for model in self._models([fleet]):
            if model in self.handlers:
                grant_secrets(granted, self.stage, model)

    def grant_call_back(self, granted: Granted) -> None:
        """Grant requesting callbacks."""
        self._allow(granted, SEND, [arn(granted, "sqs", callbacks_queue_name(self.stage.name))])

    def _models(self, fleets: Sequence[str]) -> list[str]:
        return [model for fleet in fleets for model in self.fleets.by_name[fleet].models]

    def _on_queues(
        self,
        granted: Granted,
        actions: Iterable[str],
        name: Callable[[str, str], str],
        owners: Iterable[str],
    ) -> None:
        queues = [arn(granted, "sqs", name(self.stage.name, owner)) for owner in owners]
        self._allow(granted, sorted(actions), queues)

    def _allow(self, granted: Granted, actions: Sequence[str], resources: Sequence[str]) -> None:
        if resources:
            granted.allow(actions, resources)


def arn(granted: Granted, service: str, resource: str) -> str:
    """Return an ARN in this account and region."""
    return Stack.of(granted).format_arn(
        service=service, resource=resource, arn_format=ArnFormat.NO_RESOURCE_NAME
    )
