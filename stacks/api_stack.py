"""What answers and what rolls out: the HTTP API, functions, queues, the state machine."""

from pathlib import Path

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from stacks.alarms import Alarms
from stacks.batch_jobs import BatchJobs
from stacks.deployed_models import DeployedModels
from stacks.description import Description
from stacks.heavy_models import HeavyModels
from stacks.http_api import ServalHttpApi
from stacks.inference import Inference
from stacks.layers import Layers
from stacks.rollouts import Rollouts
from stacks.stage import Stage
from stacks.storage_stack import StorageStack


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
    ) -> None:
        super().__init__(
            scope,
            id_,
            stack_name=f"serval-{stage.name}-api",
            description="Serval: the HTTP API, inference, async requests, batch jobs and rollouts",
        )
        layers = Layers(self, "Layers", stage=stage, built=built_layers)
        api = ServalHttpApi(self, "HttpApi", stage=stage)
        inference = Inference(
            self,
            "Inference",
            stage=stage,
            layers=layers,
            storage=storage,
            api=api,
            own_functions=models.own_functions,
        )
        description = Description(
            self, "Description", stage=stage, layers=layers, registry=storage.registry, api=api
        )
        rollouts = Rollouts(
            self,
            "Rollouts",
            stage=stage,
            layers=layers,
            storage=storage,
            memory_mib=inference.memory_mib,
            fleets=models.fleets,
        )
        heavy = HeavyModels(
            self,
            "Heavy",
            stage=stage,
            layers=layers,
            storage=storage,
            api=api,
            fleets=models.fleets,
        )
        batch = BatchJobs(
            self,
            "BatchJobs",
            stage=stage,
            layers=layers,
            storage=storage,
            api=api,
            models=models,
            dead_letters=rollouts.dead_letters,
            shard_memory_mib=max(inference.memory_mib.values()),
        )
        Alarms(self, "Alarms", api=api, rollouts=rollouts, batch=batch)
        functions = [
            *inference.functions.values(),
            description.function,
            *rollouts.functions,
            *heavy.functions,
            *batch.functions,
        ]
        CfnOutput(self, "ApiUrl", value=api.api.api_endpoint)
        CfnOutput(self, "ApiId", value=api.api.api_id)
        CfnOutput(self, "Fleets", value=models.fleets.to_json())
        CfnOutput(
            self,
            "Functions",
            value=self.to_json_string(
                {function.node.id: function.function.function_name for function in functions}
            ),
        )
