"""The stack with the HTTP API, its functions, batch jobs and rollouts."""

import json
from pathlib import Path

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from serval.models.resource_names import golden_function_name, inference_function_name
from serval.models.version import DEFAULT_MEMORY_MIB
from serval.settings import pack
from stacks.api.description import Description
from stacks.api.heavy_models import HeavyModels
from stacks.api.http_api import ServalHttpApi
from stacks.api.inference import (
    Inference,
    direct_routes,
    model_routes,
    openai_routes,
    protocol_routes,
)
from stacks.api.streams import Streams
from stacks.batch.batch_jobs import BatchJobs
from stacks.fleets.rights import FleetRights
from stacks.rollouts.rollouts import Rollouts
from stacks.rollouts.stand_ins import StandIns
from stacks.stage.alarms import Alarms
from stacks.stage.deployed_models import DeployedModels
from stacks.stage.layers import Layers
from stacks.stage.stage import Stage
from stacks.storage.storage_stack import StorageStack


class ApiStack(Stack):
    """The HTTP API, the functions behind it, batch jobs and rollouts."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        stage: Stage,
        storage: StorageStack,
        built_layers: Path,
        models: DeployedModels,
        stand_ins: StandIns,
    ) -> None:
        super().__init__(
            scope,
            id_,
            stack_name=f"serval-{stage.name}-api",
            description="Serval: the HTTP API, inference, async requests, batch jobs and rollouts",
        )
        layers = Layers(self, "Layers", stage=stage, built=built_layers)
        api = ServalHttpApi(self, "HttpApi", stage=stage)
        largest_mib = max([DEFAULT_MEMORY_MIB, *models.graph_memories])
        streams = Streams(
            Construct(self, "Streams"),
            stage=stage,
            layers=layers,
            storage=storage,
            memory_mib=largest_mib,
            rights=FleetRights(stage, models.fleets, storage.registry),
        )
        heavy = HeavyModels(
            self,
            "Heavy",
            stage=stage,
            layers=layers,
            storage=storage,
            api=api,
            fleets=models.fleets,
            streams=streams,
            answer_memory_mib=max([stage.answer_memory_mib, *models.graph_memories]),
            handlers=list(models.handlers),
        )
        inference = Inference(
            Construct(self, "Inference"),
            stage=stage,
            layers=layers,
            storage=storage,
            own=list(models.own_functions),
            handlers=list(models.handlers),
            on_fleets=list(models.fleets.models),
            wait=heavy.wait,
            stream_url=streams.url.url,
        )
        api.route(inference, *model_routes(), *protocol_routes(), *openai_routes())
        for model in models.own_functions:
            name = inference_function_name(stage.name, model)
            api.route_to_named(name, *direct_routes(model, writes=model in models.writers))
        description = Description(
            self, "Description", stage=stage, layers=layers, registry=storage.registry, api=api
        )
        rollouts = Rollouts(
            self,
            "Rollouts",
            stage=stage,
            layers=layers,
            storage=storage,
            models=models,
            checked=[*models.own_functions, *stand_ins.packages],
        )
        stand_ins.note(self)
        batch = BatchJobs(
            self,
            "BatchJobs",
            stage=stage,
            layers=layers,
            storage=storage,
            api=api,
            models=models,
            dead_letters=rollouts.dead_letters,
            shard_memory_mib=largest_mib,
        )
        Alarms(self, "Alarms", api=api, rollouts=rollouts, batch=batch)
        functions = [
            inference,
            streams,
            description.function,
            *rollouts.functions,
            *heavy.functions,
            *batch.functions,
        ]
        CfnOutput(self, "ApiUrl", value=api.api.api_endpoint)
        CfnOutput(self, "StreamUrl", value=streams.url.url)
        CfnOutput(self, "ApiId", value=api.api.api_id)
        CfnOutput(self, "Fleets", value=models.fleets.to_text())
        CfnOutput(self, "OwnFunctions", value=pack(json.dumps(list(models.own_functions))))
        CfnOutput(
            self,
            "Functions",
            value=self.to_json_string(
                {function.node.id: function.function.function_name for function in functions}
                | {
                    f"golden-{model}": golden_function_name(stage.name, model)
                    for model in stand_ins.packages
                }
            ),
        )
