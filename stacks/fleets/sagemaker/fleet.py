"""A SageMaker fleet: an async endpoint that runs the worker's image and scales itself."""

from collections.abc import Mapping

from aws_cdk import Aws, RemovalPolicy, Stack
from aws_cdk.aws_ecr_assets import DockerImageAsset
from aws_cdk.aws_iam import IRole
from aws_cdk.aws_logs import LogGroup
from aws_cdk.aws_sagemaker import CfnEndpoint, CfnEndpointConfig, CfnModel
from constructs import Construct

from serval.fleets.declaration import Fleet
from serval.models.deployed_fleets import DeployedFleet, Fleets
from serval.models.resource_names import endpoint_name
from serval.worker.program.settings import ServerSettings
from stacks.fleets.sagemaker.role import EndpointRole
from stacks.fleets.sagemaker.scaling import EndpointScaling
from stacks.fleets.sagemaker.topics import OUTCOMES, Outcome, topic_name
from stacks.stage.serval_function import LOG_RETENTION
from stacks.stage.stage import Stage
from stacks.storage.storage_stack import StorageStack

VARIANT = "worker"
LAPTOP_IMAGE = "serval-worker"
"""Stands for the worker's image on a laptop, where endpoints are processes."""
DRIVERS = {"nvidia": "al2023-ami-sagemaker-inference-gpu-4-1"}
"""Accelerator → the host's image; the worker's CUDA 13 needs driver 580.

By default SageMaker takes a driver as old as the instance type: 470 on g4dn and g5.
"""
AT_ONCE = 1
"""Inferences that an instance runs at a time; the next one waits there."""


class SageMakerFleet(Construct):
    """Model, endpoint configuration and endpoint, whose names change with their contents."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        stage: Stage,
        storage: StorageStack,
        fleet: Fleet,
        deployed: DeployedFleet,
        image: DockerImageAsset | None,
    ) -> None:
        super().__init__(scope, id_)
        self._storage, self._deployed, self._stage = storage, deployed, stage.name
        topics = {
            outcome: Stack.of(self).format_arn(service="sns", resource=topic_name(stage, outcome))
            for outcome in OUTCOMES
        }
        name = endpoint_name(stage.name, fleet.name)
        self.role = EndpointRole(
            self,
            "Role",
            endpoint=name,
            storage=storage,
            models=deployed.models,
            topics=list(topics.values()),
        )
        if image is not None:
            image.repository.grant_pull(self.role.role)
        log = LogGroup(
            self,
            "Log",
            log_group_name=f"/aws/sagemaker/Endpoints/{name}",
            retention=LOG_RETENTION,
            # Its fixed name would block the fleet's next deploy.
            removal_policy=RemovalPolicy.DESTROY,
        )
        model = self._model(LAPTOP_IMAGE if image is None else image.image_uri, self.role.role)
        model.node.add_dependency(self.role)
        endpoint = CfnEndpoint(
            self,
            "Endpoint",
            endpoint_name=name,
            endpoint_config_name=self._config(fleet, model, topics).attr_endpoint_config_name,
        )
        endpoint.node.add_dependency(log)
        scaling = EndpointScaling(self, "Scaling", endpoint=name, variant=VARIANT, fleet=fleet)
        scaling.node.add_dependency(endpoint)

    def _model(self, image: str, role: IRole) -> CfnModel:
        settings = ServerSettings.environment(
            aws_region=Aws.REGION,
            artifact_bucket=self._storage.artifacts.bucket.bucket_name,
            stage=self._stage,
            fleet=self._deployed.name,
            fleets=Fleets({self._deployed.name: self._deployed}).to_text(),
        )
        container = CfnModel.ContainerDefinitionProperty(image=image, environment=settings)
        return CfnModel(
            self, "Model", execution_role_arn=role.role_arn, primary_container=container
        )

    def _config(
        self, fleet: Fleet, model: CfnModel, topics: Mapping[Outcome, str]
    ) -> CfnEndpointConfig:
        bucket = self._storage.data.bucket_name
        return CfnEndpointConfig(
            self,
            "Config",
            production_variants=[
                CfnEndpointConfig.ProductionVariantProperty(
                    variant_name=VARIANT,
                    model_name=model.attr_model_name,
                    instance_type=fleet.instance_types[0],
                    inference_ami_version=DRIVERS.get(fleet.accelerator),
                    # SageMaker requires an instance at first; scaling removes it when it is idle.
                    initial_instance_count=1,
                    initial_variant_weight=1,
                )
            ],
            async_inference_config=CfnEndpointConfig.AsyncInferenceConfigProperty(
                client_config=CfnEndpointConfig.AsyncInferenceClientConfigProperty(
                    max_concurrent_invocations_per_instance=AT_ONCE
                ),
                output_config=CfnEndpointConfig.AsyncInferenceOutputConfigProperty(
                    s3_output_path=f"s3://{bucket}/async-out/",
                    s3_failure_path=f"s3://{bucket}/async-out/",
                    notification_config=CfnEndpointConfig.AsyncInferenceNotificationConfigProperty(
                        success_topic=topics["success"],
                        error_topic=topics["error"],
                    ),
                ),
            ),
        )
