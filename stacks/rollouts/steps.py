"""The functions of a rollout's steps, with the narrowest permissions."""

import json
from collections.abc import Sequence

from aws_cdk import Duration
from constructs import Construct

from serval.models.version import DEFAULT_MEMORY_MIB
from serval.rollouts.settings import (
    ClaimSettings,
    ConcludeSettings,
    EvaluateSettings,
    OptimiseSettings,
    RegisterSettings,
    VerifySettings,
)
from serval.settings import Settings, pack
from stacks.api.inference import EPHEMERAL_STORAGE_MIB
from stacks.rollouts.golden_check import SEEN, GoldenCheck
from stacks.stage.acknowledgements import acknowledge
from stacks.stage.deployed_models import SHARED, DeployedModels
from stacks.stage.grants import allow_to_announce
from stacks.stage.layers import Layers
from stacks.stage.serval_function import ServalFunction
from stacks.stage.stage import Stage
from stacks.storage.storage_stack import StorageStack

CONTROL_MIB = 512
CONTROL = ("core", "sdk", "control")
WORK_STORAGE_MIB = 4096
"""Ephemeral storage of the step that holds an artifact and its forms."""
METRICS = "CloudWatch's read actions support no resources, and a bundle may name any alarm"


class RolloutSteps(Construct):
    """One function for each step, and the golden check of models without their own functions."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        stage: Stage,
        layers: Layers,
        storage: StorageStack,
        models: DeployedModels,
        checked: Sequence[str],
    ) -> None:
        super().__init__(scope, id_)
        self._stage, self._layers, self._storage = stage, layers, storage
        self._table = storage.registry.table.table_name
        self._bucket = storage.artifacts.bucket.bucket_name
        self.golden = GoldenCheck(
            self, stage=stage, layers=layers, storage=storage, memory_mib=DEFAULT_MEMORY_MIB
        )
        self.steps = {
            "claim": self._claim(checked),
            "verify": self._verify(models),
            "optimise": self._optimise(),
            "register": self._register(),
            "evaluate": self._evaluate(models),
            "conclude": self._conclude(),
        }

    @property
    def functions(self) -> Sequence[ServalFunction]:
        """Every function of this construct."""
        return [*self.steps.values(), self.golden]

    def _claim(self, checked: Sequence[str]) -> ServalFunction:
        function = self._function(
            "claim",
            ClaimSettings,
            registry_table=self._table,
            artifact_bucket=self._bucket,
            stage=self._stage.name,
            golden_function=self.golden.function.function_name,
            checked_models=pack(json.dumps(list(checked))),
        )
        self._storage.artifacts.grant_find_uploads(function)
        self._storage.registry.grant_claim(function)
        return self._recording(function)

    def _verify(self, models: DeployedModels) -> ServalFunction:
        """Declare the step that opens untrusted files: it has no permissions and reads by URL."""
        return self._function(
            "verify",
            VerifySettings,
            layers=("core", "control", "verification"),
            memory_mib=self._stage.verification_memory_mib,
            timeout=Duration.minutes(15),
            functions=pack(json.dumps({SHARED: DEFAULT_MEMORY_MIB, **models.own_functions})),
            fleets=models.fleets.to_text(),
            ephemeral_storage_mib=EPHEMERAL_STORAGE_MIB,
        )

    def _optimise(self) -> ServalFunction:
        function = self._function(
            "optimise",
            OptimiseSettings,
            layers=(*CONTROL, "inference"),
            memory_mib=self._stage.verification_memory_mib,
            timeout=Duration.minutes(15),
            storage_mib=WORK_STORAGE_MIB,
            artifact_bucket=self._bucket,
        )
        self._storage.artifacts.grant_optimise(function)
        return function

    def _register(self) -> ServalFunction:
        function = self._function(
            "register",
            RegisterSettings,
            timeout=Duration.minutes(15),
            registry_table=self._table,
            artifact_bucket=self._bucket,
        )
        self._storage.artifacts.grant_register(function)
        self._storage.registry.grant_register(function)
        return self._recording(function)

    def _evaluate(self, models: DeployedModels) -> ServalFunction:
        function = self._function(
            "evaluate",
            EvaluateSettings,
            registry_table=self._table,
            metric_lag_seconds=self._stage.metric_lag_seconds,
            fleets=models.fleets.to_text(),
        )
        function.allow(["cloudwatch:DescribeAlarms", "cloudwatch:GetMetricStatistics"], ["*"])
        acknowledge(function.role, {"AwsSolutions-IAM5[Resource::*]": METRICS})
        return self._recording(function)

    def _conclude(self) -> ServalFunction:
        return self._recording(
            self._function("conclude", ConcludeSettings, registry_table=self._table)
        )

    def _function(
        self,
        name: str,
        settings: type[Settings],
        *,
        layers: Sequence[str] = CONTROL,
        memory_mib: int = CONTROL_MIB,
        timeout: Duration | None = None,
        storage_mib: int = 512,
        **values: object,
    ) -> ServalFunction:
        return ServalFunction(
            self,
            name,
            stage=self._stage,
            function=name,
            layers=self._layers.of(*layers),
            settings=settings.environment(**values),
            memory_mib=memory_mib,
            timeout=timeout or Duration.minutes(1),
            ephemeral_storage_mib=storage_mib,
            no_dead_letters=SEEN,
        )

    def _recording(self, function: ServalFunction) -> ServalFunction:
        """Let a step record the course of a rollout, and announce it."""
        self._storage.registry.grant_roll_out(function)
        return allow_to_announce(function)
