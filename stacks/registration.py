"""Registration: an upload to the artifact bucket becomes a version."""

import json
from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk.aws_events import EventPattern, Rule
from aws_cdk.aws_events_targets import LambdaFunction
from aws_cdk.aws_lambda_destinations import SqsDestination
from aws_cdk.aws_sqs import Queue, QueueEncryption
from constructs import Construct

from serval.settings import RegisterSettings
from serval.storage import BARE_ARTIFACT, MANIFEST
from stacks.acknowledgements import acknowledge
from stacks.inference import EPHEMERAL_STORAGE_MIB
from stacks.layers import Layers
from stacks.serval_function import ServalFunction
from stacks.stage import Stage
from stacks.storage_stack import StorageStack

KEYS = (f"incoming/*/{MANIFEST}", f"incoming/*/{BARE_ARTIFACT}")
LAST_STOP = "it is the dead-letter queue: messages wait here for a person"


class Registration(Construct):
    """The function ``register``, the rule that calls it, and a queue for what it cannot do."""

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
        self.function = ServalFunction(
            self,
            "register",
            stage=stage,
            function="register",
            layers=[layers["core"], layers["control"], layers["verification"]],
            settings=RegisterSettings.environment(
                registry_table=storage.registry.table.table_name,
                artifact_bucket=storage.artifacts.bucket.bucket_name,
                functions=json.dumps(memory_mib),
                ephemeral_storage_mib=EPHEMERAL_STORAGE_MIB,
            ),
            memory_mib=1769,
            timeout=Duration.minutes(15),
            ephemeral_storage_mib=4096,
            on_failure=SqsDestination(self.dead_letters),
        )
        storage.artifacts.grant_register(self.function)
        storage.registry.grant_register(self.function)
        bucket = {"name": [storage.artifacts.bucket.bucket_name]}
        Rule(
            self,
            "Upload",
            description="An upload to the artifact bucket is complete",
            event_pattern=EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={
                    "bucket": bucket,
                    "object": {"key": [{"wildcard": key} for key in KEYS]},
                },
            ),
            targets=[
                LambdaFunction(
                    self.function.function,
                    dead_letter_queue=self.dead_letters,
                    max_event_age=Duration.hours(6),
                    retry_attempts=185,
                )
            ],
        )
