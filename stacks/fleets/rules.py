"""The rules that call the functions controlling fleets."""

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk.aws_events import EventPattern, Rule, Schedule
from aws_cdk.aws_events_targets import LambdaFunction
from constructs import Construct

from serval.models.resource_names import cluster_name, service_name, tick_rule_name
from stacks.fleets.rights import FleetRights, arn
from stacks.stage.acknowledgements import acknowledge
from stacks.stage.serval_function import ServalFunction
from stacks.stage.stage import Stage

TICK, SWEEP = Duration.minutes(1), Duration.minutes(10)
AGAIN = "its rule soon calls it again, and each run looks at everything"
TICK_TELLS = "the tick finds a fleet that is short of machines a few minutes later"
NOT_PLACED = "SERVICE_TASK_PLACEMENT_FAILURE"


class FleetRules(Construct):
    """Ticks while a fleet is awake, the sweep always, and ECS's failures to place a worker."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        stage: Stage,
        rights: FleetRights,
        tick: ServalFunction,
        sweep: ServalFunction,
        fallback: ServalFunction,
    ) -> None:
        super().__init__(scope, id_)
        self._periodic(
            "Tick",
            tick,
            TICK,
            name=tick_rule_name(stage.name),
            # Waking a fleet enables the rule; the tick disables it when all fleets sleep. A deploy
            # that changes the rule disables it too; a submit or the sweep then finds the ticks
            # standing still and enables it.
            enabled=False,
        )
        self._periodic("Sweep", sweep, SWEEP, enabled=True)
        services = [
            arn(
                fallback,
                "ecs",
                f"service/{cluster_name(stage.name, fleet)}/{service_name(stage.name, fleet)}",
            )
            for fleet in rights.of_kind("spot")
        ]
        if services:
            self._on_placement_failures(services, fallback)

    def _periodic(
        self,
        id_: str,
        function: ServalFunction,
        period: Duration,
        *,
        enabled: bool,
        name: str | None = None,
    ) -> None:
        rule = Rule(
            self,
            id_,
            rule_name=name,
            schedule=Schedule.rate(period),
            enabled=enabled,
            targets=[LambdaFunction(function.function)],
        )
        acknowledge(rule, {"Serverless-EventBusDLQ": AGAIN})

    def _on_placement_failures(self, services: Sequence[str], fallback: ServalFunction) -> None:
        rule = Rule(
            self,
            "NotPlaced",
            description="ECS finds no machine for a worker",
            event_pattern=EventPattern(
                source=["aws.ecs"],
                detail_type=["ECS Service Action"],
                resources=list(services),
                detail={"eventName": [NOT_PLACED]},
            ),
            targets=[LambdaFunction(fallback.function)],
        )
        acknowledge(rule, {"Serverless-EventBusDLQ": TICK_TELLS})
