"""The golden check of an inference function, with the same memory."""

from pathlib import Path

from aws_cdk import Duration
from aws_cdk.aws_logs import LogGroup
from constructs import Construct

from serval.models.resource_names import golden_function_name
from serval.rollouts.settings import GoldenSettings
from stacks.api.inference import EPHEMERAL_STORAGE_MIB
from stacks.stage.deployed_models import SHARED
from stacks.stage.handler_image import HandlerImage
from stacks.stage.layers import Layers
from stacks.stage.secrets import grant_secrets
from stacks.stage.serval_function import ServalFunction
from stacks.stage.stage import Stage
from stacks.storage.storage_stack import StorageStack

SEEN = "called by the state machine alone, which sees every failure and concludes the rollout"


class GoldenCheck(ServalFunction):
    """``golden`` for every model, or ``golden-<model>`` for the only model it may read."""

    def __init__(
        self,
        scope: Construct,
        *,
        stage: Stage,
        layers: Layers,
        storage: StorageStack,
        memory_mib: int,
        model: str = SHARED,
        log: LogGroup | None = None,
        code: Path | HandlerImage | None = None,
    ) -> None:
        only = None if model == SHARED else model
        bucket = storage.artifacts.bucket.bucket_name
        super().__init__(
            scope,
            f"golden-{only}" if only else "golden",
            stage=stage,
            function="golden",
            layers=layers.of("core", "inference", "tasks"),
            settings=GoldenSettings.environment(
                artifact_bucket=bucket,
                ephemeral_storage_mib=EPHEMERAL_STORAGE_MIB,
                stage=stage.name,
            ),
            memory_mib=memory_mib,
            timeout=Duration.minutes(5),
            ephemeral_storage_mib=EPHEMERAL_STORAGE_MIB,
            no_dead_letters=SEEN,
            name=golden_function_name(stage.name, only) if only else None,
            log=log,
            code=code,
        )
        storage.artifacts.grant_check(self, only)
        if code is not None:
            grant_secrets(self, stage, model)
