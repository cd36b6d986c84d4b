"""The functions that control fleets: ticks, the sweep, and the fallback to on-demand machines."""

from collections.abc import Mapping, Sequence

from aws_cdk import Duration
from constructs import Construct

from serval.fleets.settings import FallbackSettings, SweepSettings, TickSettings
from stacks.fleets.rights import FleetRights
from stacks.fleets.rules import AGAIN, TICK_TELLS, FleetRules
from stacks.fleets.sagemaker.control import MEMORY_MIB, EndpointControl
from stacks.stage.layers import Layers
from stacks.stage.serval_function import ServalFunction
from stacks.stage.stage import Stage
from stacks.storage.storage_stack import StorageStack


class FleetControl(Construct):
    """The functions ``tick``, ``sweep`` and ``fallback``, and the rules that call them."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        stage: Stage,
        layers: Layers,
        storage: StorageStack,
        rights: FleetRights,
        endpoints: EndpointControl,
    ) -> None:
        super().__init__(scope, id_)
        self._stage, self._layers, self._storage = stage, layers, storage
        self._rights, self._endpoints = rights, endpoints
        self._requests = storage.requests.table.table_name
        self.tick = self._tick()
        self.sweep = self._sweep()
        self.fallback = self._fallback()
        FleetRules(
            self,
            "Rules",
            stage=stage,
            rights=rights,
            tick=self.tick,
            sweep=self.sweep,
            fallback=self.fallback,
        )

    @property
    def settings(self) -> Mapping[str, str]:
        """Settings of every function that wakes fleets."""
        return self._endpoints.settings

    @property
    def functions(self) -> Sequence[ServalFunction]:
        """Every function of this construct."""
        return [self.tick, self.sweep, self.fallback]

    def allow_to_wake(self, function: ServalFunction) -> None:
        """Let a function wake fleets."""
        self._rights.grant_rows(function)
        self._rights.grant_machines(function)
        self._rights.grant_ticks(function, "events:EnableRule")
        self._endpoints.grant_ask(function)

    def _tick(self) -> ServalFunction:
        function = self._function(
            "tick",
            TickSettings.environment(
                requests_table=self._requests,
                jobs_table=self._storage.jobs.table.table_name,
                **self.settings,
            ),
        )
        self.allow_to_wake(function)
        self._rights.grant_workers(function)
        self._rights.grant_ticks(function, "events:DisableRule")
        self._storage.jobs.grant_read(function)
        self._storage.jobs.grant_list_shards(function)
        if any(fleet.paired for fleet in self._rights.fleets.by_name.values()):
            self._storage.registry.grant_routes(function)
        self._storage.requests.grant_list_open(function)
        return function

    def _sweep(self) -> ServalFunction:
        function = self._function(
            "sweep",
            SweepSettings.environment(
                requests_table=self._requests,
                data_bucket=self._storage.data.bucket_name,
                **self.settings,
            ),
            timeout=Duration.minutes(5),
        )
        self.allow_to_wake(function)
        self._endpoints.allow_to_complete(function)
        self._rights.grant_send(function)
        self._rights.grant_send_light(function)
        self._storage.requests.grant_list_open(function)
        self._storage.requests.grant_work(function)
        self._rights.grant_call_back(function)
        return function

    def _fallback(self) -> ServalFunction:
        function = self._function(
            "fallback", FallbackSettings.environment(**self.settings), lost=TICK_TELLS
        )
        self._rights.grant_rows(function)
        self._rights.grant_machines(function)
        return function

    def _function(
        self,
        name: str,
        settings: Mapping[str, str],
        *,
        timeout: Duration | None = None,
        lost: str = AGAIN,
    ) -> ServalFunction:
        return ServalFunction(
            self,
            name,
            stage=self._stage,
            function=name,
            layers=self._layers.of("core", "sdk", "control"),
            settings=settings,
            memory_mib=MEMORY_MIB,
            timeout=timeout or Duration.minutes(1),
            no_dead_letters=lost,
        )
