"""Realtime inference: the function that all models share, and those of models that want one."""

from collections.abc import Mapping

from aws_cdk import Duration
from constructs import Construct

from serval.settings import InferSettings
from stacks.deployed_models import SHARED
from stacks.http_api import ServalHttpApi
from stacks.layers import Layers
from stacks.serval_function import ServalFunction
from stacks.stage import Stage
from stacks.storage_stack import StorageStack

SHARED_MEMORY_MIB = 1769
"""The least that gives a whole vCPU."""
EPHEMERAL_STORAGE_MIB = 2048
TIMEOUT = Duration.seconds(29)
"""The HTTP API gives up after 30 s."""


class Inference(Construct):
    """One function ``infer`` for every model, and ``infer-<model>`` where a model declares it."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        stage: Stage,
        layers: Layers,
        storage: StorageStack,
        api: ServalHttpApi,
        own_functions: Mapping[str, int],
    ) -> None:
        super().__init__(scope, id_)
        self._stage, self._storage = stage, storage
        self._layers = layers.of("core", "inference")
        self.memory_mib = {SHARED: SHARED_MEMORY_MIB, **own_functions}
        """MiB of each deployed function by model; ``*`` is the shared one."""
        self.functions = {
            model: self._function(model, memory_mib)
            for model, memory_mib in self.memory_mib.items()
        }
        for model, function in self.functions.items():
            path = f"/v2/models/{'{model}' if model == SHARED else model}"
            api.route(function, f"POST {path}/infer", f"POST {path}/versions/{{version}}/infer")

    def _function(self, model: str, memory_mib: int) -> ServalFunction:
        artifacts, registry = self._storage.artifacts, self._storage.registry
        function = ServalFunction(
            self,
            "infer" if model == SHARED else f"infer-{model}",
            stage=self._stage,
            function="infer",
            layers=self._layers,
            settings=InferSettings.environment(
                registry_table=registry.table.table_name,
                artifact_bucket=artifacts.bucket.bucket_name,
                authentication=self._stage.authorization.authentication,
                ephemeral_storage_mib=EPHEMERAL_STORAGE_MIB,
            ),
            memory_mib=memory_mib,
            timeout=TIMEOUT,
            ephemeral_storage_mib=EPHEMERAL_STORAGE_MIB,
            own_lines_alone=True,
        )
        only = None if model == SHARED else model
        artifacts.grant_load(function, model=only)
        registry.grant_admit(function, model=only)
        return function
