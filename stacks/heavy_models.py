"""Heavy models: async requests, their queues, and the control of the fleets that run them."""

from collections.abc import Sequence

from constructs import Construct

from serval.fleets.deployed import Fleets
from stacks.async_requests import AsyncRequests
from stacks.callbacks import Callbacks
from stacks.endpoint_control import EndpointControl
from stacks.fleet_control import FleetControl
from stacks.fleet_rights import FleetRights
from stacks.http_api import ServalHttpApi
from stacks.layers import Layers
from stacks.model_queues import ModelQueues, shards_queue
from stacks.serval_function import ServalFunction
from stacks.stage import Stage
from stacks.storage_stack import StorageStack


class HeavyModels(Construct):
    """Everything of fleets but their machines; without fleets it costs nothing and does nothing."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        stage: Stage,
        layers: Layers,
        storage: StorageStack,
        api: ServalHttpApi,
        fleets: Fleets,
    ) -> None:
        super().__init__(scope, id_)
        rights = FleetRights(stage, fleets, storage.registry)
        queues = Construct(self, "Queues")
        for model in fleets.models:
            ModelQueues(queues, model, stage=stage, model=model)
        for fleet in rights.of_kind("spot"):
            shards_queue(queues, stage, fleet)
        callbacks = Callbacks(
            self,
            "Callbacks",
            stage=stage,
            layers=layers,
            storage=storage,
            in_use=bool(fleets.by_name),
        )
        endpoints = EndpointControl(
            self, "Endpoints", stage=stage, layers=layers, storage=storage, rights=rights
        )
        control = FleetControl(
            self,
            "Control",
            stage=stage,
            layers=layers,
            storage=storage,
            rights=rights,
            endpoints=endpoints,
        )
        requests = AsyncRequests(
            self,
            "Requests",
            stage=stage,
            layers=layers,
            storage=storage,
            api=api,
            rights=rights,
            control=control,
        )
        self.functions: Sequence[ServalFunction] = [
            *requests.functions,
            callbacks.function,
            *endpoints.functions,
            *control.functions,
        ]
