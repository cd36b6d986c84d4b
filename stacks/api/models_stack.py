"""The stack with the functions of models that declare their memory, or are custom Python."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from aws_cdk import Annotations, Stack
from aws_cdk.aws_logs import LogGroup
from constructs import Construct

from stacks.api.inference import INFERENCE_LAYERS, Inference
from stacks.rollouts.golden_check import GoldenCheck
from stacks.rollouts.stand_ins import MEMORY_MIB, StandIns
from stacks.stage.deployed_models import DeployedModels
from stacks.stage.handler_code import LEFT_MB, HandlerPackages, handler_code
from stacks.stage.handler_image import HandlerImage, image_folder
from stacks.stage.layers import Layers
from stacks.stage.serval_function import LOG_RETENTION
from stacks.stage.stage import Stage
from stacks.storage.storage_stack import StorageStack

HANDLER_FUNCTIONS = ("infer", "golden")


class ModelsStack(Stack):
    """An inference function and a golden check for each model; of fleets' handlers, the check.

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
        stand_ins: StandIns,
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
        check = partial(GoldenCheck, self, stage=stage, layers=layers, storage=storage, log=log)
        for model, memory_mib in models.own_functions.items():
            code = self._code(model, models.handlers.get(model), built_layers / stage.layers)
            Inference(
                self,
                stage=stage,
                layers=layers,
                storage=storage,
                model=model,
                memory_mib=memory_mib,
                code=code.get("infer"),
            )
            check(model=model, memory_mib=memory_mib, code=code.get("golden"))
        for model, packages in stand_ins.packages.items():
            check(model=model, memory_mib=MEMORY_MIB, code=handler_code("golden", packages))

    def _code(
        self, model: str, bundle: Path | None, layers: Path
    ) -> Mapping[str, Path | HandlerImage]:
        """Return the code of both functions of a handler; none if the model is a graph."""
        if bundle is None:
            return {}
        packages = HandlerPackages.install(model, bundle, layers.name)
        if packages.are_large:
            self._note(packages)
        if not packages.need_image:
            return {function: handler_code(function, packages) for function in HANDLER_FUNCTIONS}
        folder = image_folder(
            HANDLER_FUNCTIONS, packages, [layers / name for name in INFERENCE_LAYERS]
        )
        return {function: HandlerImage(folder, function) for function in HANDLER_FUNCTIONS}

    def _note(self, packages: HandlerPackages) -> None:
        """Note at synth what becomes of packages that Lambda's zips have no room for."""
        instead = (
            "its functions are images, which Docker builds at the deploy"
            if packages.need_image
            else "here they run from a folder; on AWS its functions are images"
        )
        Annotations.of(self).add_info_v2(
            f"serval:large-handler-{packages.model}",
            f"model {packages.model!r}: its packages have {packages.size_mb:.0f} MB, and a zip has "
            f"room for {LEFT_MB}: {instead}",
        )
