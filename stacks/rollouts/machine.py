"""The state machine of rollouts and its permissions."""

from collections.abc import Mapping, Sequence

from aws_cdk.aws_dynamodb import ITable
from aws_cdk.aws_iam import Role, ServicePrincipal
from aws_cdk.aws_lambda import IFunction
from aws_cdk.aws_stepfunctions import DefinitionBody, LogLevel, LogOptions, StateMachine
from constructs import Construct

from stacks.rollouts.states import RolloutStates
from stacks.stage.acknowledgements import acknowledge
from stacks.stage.grants import allow, partitions
from stacks.stage.serval_function import UNTRACED
from stacks.stage.stage import Stage
from stacks.stage.vended_logs import vended_log_group

DELIVER_LOGS = [
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
]
TRACE = [
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
]
NOT_TRACED = {"AwsSolutions-SF2": UNTRACED, "Serverless-StepFunctionStateMachineXray": UNTRACED}
KNOW_NO_RESOURCES = "X-Ray's actions, and those that set up a log's delivery, support no resources"


class RolloutMachine(Construct):
    """A state machine whose role calls unqualified functions and records rollouts' steps."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        stage: Stage,
        steps: Mapping[str, IFunction],
        golden: Sequence[str],
        registry: ITable,
    ) -> None:
        super().__init__(scope, id_)
        role = Role(self, "Role", assumed_by=ServicePrincipal("states.amazonaws.com"))
        called = [*(function.function_arn for function in steps.values()), *golden]
        allow(role, ["lambda:InvokeFunction"], called)
        allow(role, ["dynamodb:UpdateItem"], [registry.table_arn], partitions("MODEL#*"))
        allow(role, [*DELIVER_LOGS, *(TRACE if stage.traced else ())], ["*"])
        acknowledge(role, {"AwsSolutions-IAM5[Resource::*]": KNOW_NO_RESOURCES})
        log = vended_log_group(self, "Log", stage=stage, service="states", name="rollout")
        states = RolloutStates(self, "States", steps=steps, registry=registry)
        self.machine = StateMachine(
            self,
            "Machine",
            definition_body=DefinitionBody.from_chainable(states.first),
            # CDK's grants would cover every version of a function, and the whole table.
            role=role.without_policy_updates(),
            # Without execution data, which holds presigned URLs.
            logs=LogOptions(destination=log, level=LogLevel.ALL, include_execution_data=False),
            tracing_enabled=stage.traced,
        )
        if not stage.traced:
            acknowledge(self.machine, NOT_TRACED)
        # Step Functions tests the role's rights on the log before it creates the machine.
        self.machine.node.add_dependency(role)
