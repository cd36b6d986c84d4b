"""The role of an endpoint and its container."""

from collections.abc import Sequence

from aws_cdk.aws_iam import ServicePrincipal
from constructs import Construct

from stacks.fleets.rights import arn
from stacks.stage.acknowledgements import acknowledge
from stacks.stage.grants import GrantedRole
from stacks.storage.storage_stack import StorageStack

LOG = ("logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents")
NAMESPACES = ["/aws/sagemaker/Endpoints", "AWS/SageMaker"]
ON_ALL = "CloudWatch's PutMetricData and ECR's token support no resources"
STREAMS = "streams of the endpoint's own log, which SageMaker names after instances"


class EndpointRole(GrantedRole):
    """Lets the container read its models' versions, and async inference do its work.

    The latter reads requests from the data bucket to pass them to the container, writes results and
    failures to it, and publishes notices to the topics.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        endpoint: str,
        storage: StorageStack,
        models: Sequence[str],
        topics: Sequence[str],
    ) -> None:
        super().__init__(scope, id_, assumed_by=ServicePrincipal("sagemaker.amazonaws.com"))
        for model in models:
            storage.artifacts.grant_load(self, model)
        storage.data.grant_endpoint(self, models)
        self.allow(["sns:Publish"], topics)
        log = f"log-group:/aws/sagemaker/Endpoints/{endpoint}:*"
        self.allow(LOG, [arn(self, "logs", log)])
        self.allow(
            ["cloudwatch:PutMetricData"],
            ["*"],
            {"StringEquals": {"cloudwatch:namespace": NAMESPACES}},
        )
        wildcard = f"arn:<AWS::Partition>:logs:<AWS::Region>:<AWS::AccountId>:{log}"
        acknowledge(
            self,
            {
                "AwsSolutions-IAM5[Resource::*]": ON_ALL,
                f"AwsSolutions-IAM5[Resource::{wildcard}]": STREAMS,
            },
        )
