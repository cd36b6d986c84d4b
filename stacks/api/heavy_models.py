"""Async requests, and the control of the fleets that run them."""

from collections.abc import Sequence

from constructs import Construct

from serval.models.deployed_fleets import Fleets
from stacks.api.async_requests import AsyncRequests
from stacks.api.callbacks import Callbacks
from stacks.api.http_api import ServalHttpApi
from stacks.api.light_requests import LightRequests
from stacks.api.streams import Streams
from stacks.fleets.control import FleetControl
from stacks.fleets.rights import FleetRights
from stacks.fleets.sagemaker.control import EndpointControl
from stacks.pipelines.durable_pipelines import DurablePipelines
from stacks.stage.layers import Layers
from stacks.stage.serval_function import ServalFunction
from stacks.stage.stage import Stage
from stacks.storage.storage_stack import StorageStack


class HeavyModels(Construct):
    """Async requests, and everything about fleets except their queues and machines."""

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
        streams: Streams,
        answer_memory_mib: int,
        handlers: Sequence[str],
    ) -> None:
        super().__init__(scope, id_)
        rights = FleetRights(stage, fleets, storage.registry)
        callbacks = Callbacks(self, "Callbacks", stage=stage, layers=layers, storage=storage)
        light = LightRequests(
            self,
            "Light",
            stage=stage,
            layers=layers,
            storage=storage,
            rights=rights,
            memory_mib=answer_memory_mib,
            handlers=handlers,
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
            streams=streams,
            answer_memory_mib=answer_memory_mib,
        )
        pipelines = DurablePipelines(
            self,
            "Pipelines",
            stage=stage,
            layers=layers,
            storage=storage,
            rights=rights,
            control=control,
            memory_mib=answer_memory_mib,
        )
        self.wait = requests.wait
        self.functions: Sequence[ServalFunction] = [
            *requests.functions,
            light.function,
            pipelines.function,
            callbacks.function,
            *endpoints.functions,
            *control.functions,
        ]
