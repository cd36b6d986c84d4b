"""The HTTP API: routes, authorisation, limits and access log."""

import json
from collections.abc import Sequence
from typing import cast

from aws_cdk import Stack
from aws_cdk.aws_apigatewayv2 import (
    CfnStage,
    HttpApi,
    HttpMethod,
    HttpRoute,
    HttpRouteKey,
    HttpStage,
    LogGroupLogDestination,
    PayloadFormatVersion,
    ThrottleSettings,
)
from aws_cdk.aws_apigatewayv2_integrations import HttpLambdaIntegration
from aws_cdk.aws_iam import ServicePrincipal
from aws_cdk.aws_lambda import Function, IFunction
from constructs import Construct

from stacks.stage.acknowledgements import acknowledge
from stacks.stage.serval_function import ServalFunction, function_arn
from stacks.stage.stage import Stage
from stacks.stage.vended_logs import vended_log_group

ACCESS_LOG = {
    "requestId": "$context.requestId",
    "time": "$context.requestTime",
    "ip": "$context.identity.sourceIp",
    "userAgent": "$context.identity.userAgent",
    "route": "$context.routeKey",
    "path": "$context.path",
    "status": "$context.status",
    "responseLength": "$context.responseLength",
    "responseLatencyMs": "$context.responseLatency",
    "integrationLatencyMs": "$context.integrationLatency",
    "integrationError": "$context.integrationErrorMessage",
    "authorizerError": "$context.authorizer.error",
}
DEFAULT = "$default"
CHECKED_INSIDE = (
    "every function checks API keys itself: errors keep the protocol's shape, a key's scope is"
    " checked against the model in the path, no authorizer is billed (docs/decisions/0004)"
)


class ServalHttpApi(Construct):
    """An HTTP API without a path prefix, whose routes all lead to functions."""

    def __init__(self, scope: Construct, id_: str, *, stage: Stage) -> None:
        super().__init__(scope, id_)
        self._authorization = stage.authorization
        self._authorizer = stage.authorization.authorizer()
        self.api = HttpApi(self, "Api", api_name=f"serval-{stage.name}", create_default_stage=False)
        log = vended_log_group(self, "AccessLog", stage=stage, service="apigateway", name="api")
        throttle = ThrottleSettings(rate_limit=stage.rate_per_second, burst_limit=stage.burst)
        default = HttpStage(self, "Default", http_api=self.api, auto_deploy=True, throttle=throttle)
        cast(
            CfnStage, default.node.default_child
        ).access_log_settings = CfnStage.AccessLogSettingsProperty(
            destination_arn=LogGroupLogDestination(log).bind(default).destination_arn,
            format=json.dumps(ACCESS_LOG),
        )

    def route(self, function: ServalFunction, *keys: str) -> None:
        """Send routes such as ``GET /v2`` to a function; ``$default`` stands for all others."""
        self._route(function.node.id, function.function, keys)
        if DEFAULT in keys:
            # The integration grants `stage/method/path`, and this route has neither method nor
            # path.
            function.function.add_permission(
                "UnknownPaths",
                principal=ServicePrincipal("apigateway.amazonaws.com"),
                source_arn=Stack.of(self).format_arn(
                    service="execute-api", resource=self.api.api_id, resource_name=f"*/{DEFAULT}"
                ),
            )

    def route_to_named(self, name: str, *keys: str) -> None:
        """Send routes to a function that another stack has deployed already."""
        function = Function.from_function_attributes(
            self, name, function_arn=function_arn(self, name), same_environment=True
        )
        self._route(name, function, keys)

    def _route(self, name: str, function: IFunction, keys: Sequence[str]) -> None:
        integration = HttpLambdaIntegration(
            f"{name}-integration",
            function,
            payload_format_version=PayloadFormatVersion.VERSION_2_0,
            scope_permission_to_route=False,
        )
        for key in keys:
            route = HttpRoute(
                self,
                key,
                http_api=self.api,
                route_key=route_key(key),
                integration=integration,
                authorizer=self._authorizer,
            )
            if self._authorization.authentication == "key":
                acknowledge(route, {"AwsSolutions-APIG4": CHECKED_INSIDE})


def route_key(key: str) -> HttpRouteKey:
    """Parse a route key."""
    if key == DEFAULT:
        return HttpRouteKey.DEFAULT
    method, path = key.split(" ")
    return HttpRouteKey.with_(path, HttpMethod[method])
