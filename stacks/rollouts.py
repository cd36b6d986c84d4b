"""Rollouts: an upload to the artifact bucket becomes a version, and the version gets traffic."""

import json
from collections.abc import Mapping, Sequence

from aws_cdk import Duration, Stack
from aws_cdk.aws_events import EventPattern, Rule
from aws_cdk.aws_events_targets import SfnStateMachine
from aws_cdk.aws_lambda import ILayerVersion
from aws_cdk.aws_sqs import Queue, QueueEncryption
from constructs import Construct

from serval.settings import (
    ClaimSettings,
    ConcludeSettings,
    EvaluateSettings,
    GoldenSettings,
    OptimiseSettings,
    RegisterSettings,
    Settings,
    VerifySettings,
)
from serval.storage import BARE_ARTIFACT, MANIFEST
from stacks.acknowledgements import acknowledge
from stacks.inference import EPHEMERAL_STORAGE_MIB
from stacks.layers import Layers
from stacks.own_functions import SHARED
from stacks.rollout_machine import RolloutMachine
from stacks.serval_function import ServalFunction
from stacks.stage import Stage
from stacks.storage_stack import StorageStack

KEYS = (f"incoming/*/{MANIFEST}", f"incoming/*/{BARE_ARTIFACT}")
LAST_STOP = "it is the dead-letter queue: messages wait here for a person"
WORK_STORAGE_MIB = 4096
"""Ephemeral storage of the steps that hold a whole bundle."""
CONTROL_MIB = 512


class Rollouts(Construct):
    """The steps of a rollout, the machine that runs them, and the rule that starts it."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        stage: Stage,
        layers: Layers,
        storage: StorageStack,
        memory_mib: Mapping[str, int],
    ) -> None:
        super().__init__(scope, id_)
        self._stage, self._storage, self._layers = stage, storage, layers
        table = storage.registry.table
        bucket = storage.artifacts.bucket.bucket_name
        self.golden = {model: self._golden(model, mib) for model, mib in memory_mib.items()}
        names = {model: f.function.function_name for model, f in self.golden.items()}
        self.steps = {
            "claim": self._step(
                "claim",
                ClaimSettings,
                registry_table=table.table_name,
                artifact_bucket=bucket,
                golden_functions=Stack.of(self).to_json_string(names),
            ),
            "verify": self._step(
                "verify",
                VerifySettings,
                layers=("core", "control", "verification"),
                memory_mib=stage.verification_memory_mib,
                timeout=Duration.minutes(5),
                storage_mib=WORK_STORAGE_MIB,
                functions=json.dumps(dict(memory_mib)),
                ephemeral_storage_mib=EPHEMERAL_STORAGE_MIB,
            ),
            "optimise": self._step(
                "optimise",
                OptimiseSettings,
                layers=("core", "control", "verification", "inference"),
                memory_mib=stage.verification_memory_mib,
                timeout=Duration.minutes(15),
                storage_mib=WORK_STORAGE_MIB,
                artifact_bucket=bucket,
            ),
            "register": self._step(
                "register",
                RegisterSettings,
                timeout=Duration.minutes(15),
                registry_table=table.table_name,
                artifact_bucket=bucket,
            ),
            "evaluate": self._step(
                "evaluate",
                EvaluateSettings,
                registry_table=table.table_name,
                metric_lag_seconds=stage.metric_lag_seconds,
            ),
            "conclude": self._step("conclude", ConcludeSettings, registry_table=table.table_name),
        }
        self._grant()
        self.machine = RolloutMachine(
            self,
            "Rollout",
            stage=stage,
            steps={name: step.function for name, step in self.steps.items()},
            golden=[golden.function for golden in self.golden.values()],
            registry=table,
        ).machine
        self._start_on_uploads(bucket)

    @property
    def functions(self) -> Sequence[ServalFunction]:
        """Every function of this construct."""
        return [*self.steps.values(), *self.golden.values()]

    def _step(
        self,
        name: str,
        settings: type[Settings],
        *,
        layers: Sequence[str] = ("core", "control", "verification"),
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
            layers=self._chosen(layers),
            settings=settings.environment(**values),
            memory_mib=memory_mib,
            timeout=timeout or Duration.minutes(1),
            ephemeral_storage_mib=storage_mib,
        )

    def _golden(self, model: str, memory_mib: int) -> ServalFunction:
        """Declare the golden check beside an inference function, as large as it is."""
        return ServalFunction(
            self,
            "golden" if model == SHARED else f"golden-{model}",
            stage=self._stage,
            function="golden",
            layers=self._chosen(("core", "inference")),
            settings=GoldenSettings.environment(
                artifact_bucket=self._storage.artifacts.bucket.bucket_name,
                ephemeral_storage_mib=EPHEMERAL_STORAGE_MIB,
            ),
            memory_mib=memory_mib,
            timeout=Duration.minutes(5),
            ephemeral_storage_mib=EPHEMERAL_STORAGE_MIB,
        )

    def _chosen(self, names: Sequence[str]) -> list[ILayerVersion]:
        return [self._layers[name] for name in names]

    def _grant(self) -> None:
        """Give each step what it needs; ``verify`` gets nothing: it reads presigned URLs."""
        artifacts, registry = self._storage.artifacts, self._storage.registry
        artifacts.grant_find_uploads(self.steps["claim"])
        artifacts.grant_optimise(self.steps["optimise"])
        artifacts.grant_register(self.steps["register"])
        for golden in self.golden.values():
            artifacts.grant_read_uploads(golden)
        for name in ("claim", "register", "evaluate", "conclude"):
            registry.grant_register(self.steps[name])
            self.steps[name].allow(["events:PutEvents"], [default_bus(self)])
        self.steps["evaluate"].allow(
            [
                "cloudwatch:DescribeAlarms",
                "cloudwatch:GetMetricData",
                "cloudwatch:GetMetricStatistics",
            ],
            ["*"],
        )

    def _start_on_uploads(self, bucket: str) -> None:
        self.dead_letters = Queue(
            self,
            "DeadLetters",
            encryption=QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )
        acknowledge(
            self.dead_letters,
            {"AwsSolutions-SQS3": LAST_STOP, "Serverless-SQSRedrivePolicy": LAST_STOP},
        )
        Rule(
            self,
            "Upload",
            description="An upload to the artifact bucket is complete",
            event_pattern=EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={
                    "bucket": {"name": [bucket]},
                    "object": {"key": [{"wildcard": key} for key in KEYS]},
                },
            ),
            targets=[
                SfnStateMachine(
                    self.machine,
                    dead_letter_queue=self.dead_letters,
                    max_event_age=Duration.hours(6),
                    retry_attempts=185,
                )
            ],
        )


def default_bus(scope: Construct) -> str:
    """Give the ARN of the account's default event bus."""
    return Stack.of(scope).format_arn(
        service="events", resource="event-bus", resource_name="default"
    )
