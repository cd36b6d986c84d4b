"""Check the permissions of services: rules, schedules, gateways, topics, functions and mappings."""

from typing import Any

from serval_cli.local.launcher.emulator import Emulator
from serval_cli.local.launcher.iam.authority import Authority, Refused

MAPPINGS = "AWS::Lambda::EventSourceMapping"
NAMES = (
    "apigateway/_extract_lambda_ref_from_integration_uri",
    "apigateway/_invoke_lambda_proxy",
    "eventbridge/_invoke_target",
    "iam_evaluator/_resource_policy",
    "lambda_svc/_emit_lambda_logs",
    "lambda_svc/_get_func_record_for_ref",
    "lambda_svc/_route_async_failure",
    f"provisioners/_RESOURCE_HANDLERS/{MAPPINGS}/create",
    "sns/_deliver_to_lambda",
)
ACTIONS = {
    "events": "events:PutEvents",
    "lambda": "lambda:InvokeFunction",
    "sns": "sns:Publish",
    "sqs": "sqs:SendMessage",
    "states": "states:StartExecution",
}
"""Service of a target → the action that delivers to it."""
POLLING = {
    "dynamodb": ("DescribeStream", "GetRecords", "GetShardIterator"),
    "sqs": ("DeleteMessage", "GetQueueAttributes", "ReceiveMessage"),
}
"""Service of a source → the actions that Lambda takes with the function's role to read it."""
INTERNAL = 500, {"Content-Type": "application/json"}, b'{"message":"Internal Server Error"}'


def apply(emulator: Emulator, authority: Authority) -> None:
    """Check each delivery by its role, or by the policy of its target."""
    rights = Deliveries(emulator, authority)
    targets(emulator, rights)
    gateways(emulator, rights)
    topics(emulator, rights)
    functions(emulator, rights)
    mappings(emulator, rights)


class Deliveries:
    """Permissions to deliver, by the ARN of the target."""

    def __init__(self, emulator: Emulator, authority: Authority) -> None:
        self._authority, self.check = authority, authority.check_role
        self._policy = emulator.iam_evaluator._resource_policy
        self._functions = emulator.lambda_svc

    def by_policy(self, service: str, target: str, source: str) -> None:
        """Raise ``Refused`` unless the target's policy admits a service."""
        kind = target.split(":")[2]
        policy, _ = self._policy(kind, target) or (None, None)
        self._authority.check_service(service, ACTIONS[kind], target, source=source, policy=policy)

    def by_role(self, role: str, target: str, keys: dict[str, Any] | None = None) -> None:
        """Raise ``Refused`` unless a role may reach the target."""
        self._authority.check_role(role, ACTIONS[target.split(":")[2]], target, keys)

    def by_function(self, function: str, action: str, resource: str) -> None:
        """Raise ``Refused`` unless a function's role may take an action."""
        _, configuration, _ = self._functions._get_func_record_for_ref(function)
        self.check(configuration["Role"], action, resource)


def targets(emulator: Emulator, rights: Deliveries) -> None:
    """Check rules and schedules by their role, if they have one, or by the target's policy."""
    eventbridge = emulator.eventbridge
    invoke = eventbridge._invoke_target

    def invoke_checked(target: dict[str, Any], event: Any, rule: Any, view: Any = None) -> None:
        try:
            if role := target.get("RoleArn"):
                sent = target.get("EventBridgeParameters") or {}
                rights.by_role(role, target["Arn"], {"events:source": sent.get("Source")})
            else:
                rights.by_policy("events.amazonaws.com", target["Arn"], rule["Arn"])
        except Refused:
            return
        invoke(target, event, rule, view)

    eventbridge._invoke_target = invoke_checked


def gateways(emulator: Emulator, rights: Deliveries) -> None:
    """Check HTTP APIs by the function's policy, which names the routes that may call it."""
    gateway = emulator.apigateway
    invoke = gateway._invoke_lambda_proxy

    async def invoke_checked(
        integration: dict[str, Any],
        api: str,
        stage: str,
        path: str,
        method: str,
        headers: Any,
        body: Any,
        query: Any,
        route: str = "$default",
        *others: Any,
        **options: Any,
    ) -> Any:
        target = gateway._extract_lambda_ref_from_integration_uri(integration["integrationUri"])
        try:
            rights.by_policy(
                "apigateway.amazonaws.com", target, route_arn(target, api, stage, route)
            )
        except Refused:
            return INTERNAL
        return await invoke(
            integration, api, stage, path, method, headers, body, query, route, *others, **options
        )

    gateway._invoke_lambda_proxy = invoke_checked


def topics(emulator: Emulator, rights: Deliveries) -> None:
    """Check topics by the function's policy."""
    sns = emulator.sns
    deliver = sns._deliver_to_lambda

    def deliver_checked(function: str, envelope: Any, topic: str, *others: Any) -> None:
        try:
            rights.by_policy("sns.amazonaws.com", function, topic)
        except Refused:
            return
        deliver(function, envelope, topic, *others)

    sns._deliver_to_lambda = deliver_checked


def functions(emulator: Emulator, rights: Deliveries) -> None:
    """Check a function's log and its failure destination by the function's role."""
    service = emulator.lambda_svc
    log, route = service._emit_lambda_logs, service._route_async_failure

    def log_checked(function: dict[str, Any], *others: Any, **options: Any) -> None:
        configuration = function.get("config") or function
        name, arn = configuration["FunctionName"], configuration["FunctionArn"].split(":")
        group = (configuration.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{name}"
        stream = ":".join(["arn:aws:logs", *arn[3:5], f"log-group:{group}:log-stream:all"])
        try:
            for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
                rights.check(configuration["Role"], action, stream)
        except Refused:
            return
        log(function, *others, **options)

    def route_checked(target: str, name: str, event: Any, result: Any) -> None:
        try:
            rights.by_function(name, ACTIONS[target.split(":")[2]], target)
        except Refused:
            return
        route(target, name, event, result)

    service._emit_lambda_logs = log_checked
    service._route_async_failure = route_checked


def mappings(emulator: Emulator, rights: Deliveries) -> None:
    """Refuse event source mappings whose function may not read the source."""
    handlers = emulator.provisioners._RESOURCE_HANDLERS[MAPPINGS]
    create = handlers["create"]

    def create_checked(logical_id: str, properties: dict[str, Any], *others: Any) -> Any:
        source = properties["EventSourceArn"]
        service = source.split(":")[2]
        for action in POLLING[service]:
            rights.by_function(properties["FunctionName"], f"{service}:{action}", source)
        return create(logical_id, properties, *others)

    handlers["create"] = create_checked


def route_arn(target: str, api: str, stage: str, route: str) -> str:
    """Return the ARN of a route, as policies name it: method and path with parameter names."""
    region, account = target.split(":")[3:5]
    called = "/" + "".join(route.split(" ")) if " " in route else f"/{route}"
    return f"arn:aws:execute-api:{region}:{account}:{api}/{stage}{called}"
