"""The function that answers with metadata, health and statistics, and for unknown paths."""

from aws_cdk import Duration
from constructs import Construct

from serval.settings import DescribeSettings
from stacks.api.http_api import ServalHttpApi
from stacks.stage.layers import Layers
from stacks.stage.serval_function import ServalFunction
from stacks.stage.stage import Stage
from stacks.storage.registry_table import RegistryTable

ROUTES = (
    "GET /v2",
    "GET /v2/health/live",
    "GET /v2/health/ready",
    "GET /v2/models",
    "GET /v2/models/stats",
    "GET /v2/models/{model}",
    "GET /v2/models/{model}/{proxy+}",
    "POST /v2/repository/index",
    "GET /openapi.json",
    "GET /",
    "GET /v1/models",
    "GET /v1/models/{model}",
    "GET /mlflow/{model}/{proxy+}",
    "$default",
)


class Description(Construct):
    """The function ``describe`` and its routes."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        stage: Stage,
        layers: Layers,
        registry: RegistryTable,
        api: ServalHttpApi,
    ) -> None:
        super().__init__(scope, id_)
        self.function = ServalFunction(
            self,
            "describe",
            stage=stage,
            function="describe",
            layers=layers.of("core", "sdk", "control"),
            settings=DescribeSettings.environment(
                registry_table=registry.table.table_name,
                authentication=stage.authorization.authentication,
            ),
            memory_mib=512,
            timeout=Duration.seconds(10),
        )
        registry.grant_describe(self.function)
        # CloudWatch's read actions support no resources.
        self.function.allow(["cloudwatch:GetMetricData"], ["*"])
        api.route(self.function, *ROUTES)
