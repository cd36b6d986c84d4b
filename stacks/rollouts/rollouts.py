"""Rollouts: turn uploads to the artifact bucket into versions, and give these traffic."""

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk.aws_events import EventPattern, Rule
from aws_cdk.aws_events_targets import SfnStateMachine
from constructs import Construct

from serval.models.resource_names import golden_function_name
from stacks.rollouts.machine import RolloutMachine
from stacks.rollouts.steps import RolloutSteps
from stacks.stage.dead_letters import dead_letter_queue
from stacks.stage.deployed_models import DeployedModels
from stacks.stage.layers import Layers
from stacks.stage.serval_function import function_arn
from stacks.stage.stage import Stage
from stacks.storage.artifact_bucket import ANNOUNCEMENTS
from stacks.storage.storage_stack import StorageStack

LAST_STOP = "it is the dead-letter queue: messages wait here for a person"


class Rollouts(Construct):
    """The steps of a rollout, the machine that runs them, and the rule that starts it.

    ``checked`` are the models with a golden check of their own.
    """

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
        steps = RolloutSteps(
            self,
            "Steps",
            stage=stage,
            layers=layers,
            storage=storage,
            models=models,
            checked=checked,
        )
        self.functions = steps.functions
        self.machine = RolloutMachine(
            self,
            "Rollout",
            stage=stage,
            steps={name: step.function for name, step in steps.steps.items()},
            golden=[
                steps.golden.function.function_arn,
                *(function_arn(self, golden_function_name(stage.name, model)) for model in checked),
            ],
            registry=storage.registry.table,
        ).machine
        # Events of uploads that could not start a rollout or a batch job.
        self.dead_letters = dead_letter_queue(self, "DeadLetters", None, LAST_STOP)
        self._start_on_uploads(storage.artifacts.bucket.bucket_name)

    def _start_on_uploads(self, bucket: str) -> None:
        Rule(
            self,
            "Upload",
            description="An upload to the artifact bucket is complete",
            event_pattern=EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={
                    "bucket": {"name": [bucket]},
                    "object": {"key": ANNOUNCEMENTS},
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
