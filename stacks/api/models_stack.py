"""The stack with the functions of models that declare their memory."""

from pathlib import Path

from aws_cdk import Stack
from aws_cdk.aws_logs import LogGroup
from constructs import Construct

from stacks.api.inference import INFERENCE_LAYERS, Inference
from stacks.rollouts.golden_check import GoldenCheck
from stacks.stage.deployed_models import DeployedModels
from stacks.stage.handler_code import handler_code
from stacks.stage.layers import Layers
from stacks.stage.serval_function import LOG_RETENTION
from stacks.stage.stage import Stage
from stacks.storage.storage_stack import StorageStack


class ModelsStack(Stack):
    """An inference function and a golden check for each model.

    The API's stack depends on this one: its routes and state machine refer to the functions by
    name. The layers are the stack's own, because a stack cannot change what another one imports
    from it.
    """

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
            stack_name=f"serval-{stage.name}-models",
            description="Serval: the functions of models that declare their memory",
        )
        layers = Layers(self, "Layers", stage=stage, built=built_layers, only=INFERENCE_LAYERS)
        log = LogGroup(
            self, "GoldenLog", retention=LOG_RETENTION, removal_policy=stage.removal_policy
        )
        for model, memory_mib in models.own_functions.items():
            bundle = models.handlers.get(model)
            infer, golden = (
                bundle and handler_code(function, model, bundle, stage.layers)
                for function in ("infer", "golden")
            )
            Inference(
                self,
                stage=stage,
                layers=layers,
                storage=storage,
                model=model,
                memory_mib=memory_mib,
                code=infer,
            )
            GoldenCheck(
                self,
                stage=stage,
                layers=layers,
                storage=storage,
                model=model,
                memory_mib=memory_mib,
                log=log,
                code=golden,
            )
