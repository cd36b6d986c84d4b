"""The state machine of a construct: logged without execution data, and traced if the stage is."""

from aws_cdk import Duration
from aws_cdk.aws_iam import IRole
from aws_cdk.aws_stepfunctions import DefinitionBody, LogLevel, LogOptions, StateMachine
from constructs import Construct

from stacks.stage.acknowledgements import acknowledge
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
KNOW_NO_RESOURCES = {
    "AwsSolutions-IAM5[Resource::*]": (
        "X-Ray's actions, and those that set up a log's delivery, support no resources"
    )
}


def actions_of_logs(stage: Stage) -> list[str]:
    """List what a machine's role may do with ``*``, which ``KNOW_NO_RESOURCES`` acknowledges."""
    return [*DELIVER_LOGS, *(TRACE if stage.traced else ())]


def state_machine(
    scope: Construct,
    body: DefinitionBody,
    *,
    stage: Stage,
    log: str,
    role: IRole,
    permitted: Construct,
    name: str | None = None,
    timeout: Duration | None = None,
) -> StateMachine:
    """Make the construct's ``Machine`` and its ``Log``.

    Parameters
    ----------
    log
        Names the log's group.
    role
        As it is: CDK's grants would cover every version of a function, and whole tables.
    permitted
        The role with its rights: Step Functions tests those on the log before it creates the
        machine.
    """
    machine = StateMachine(
        scope,
        "Machine",
        state_machine_name=name,
        definition_body=body,
        role=role,
        logs=LogOptions(
            destination=vended_log_group(scope, "Log", stage=stage, service="states", name=log),
            level=LogLevel.ALL,
            # Executions hold callers' requests and presigned URLs.
            include_execution_data=False,
        ),
        timeout=timeout,
        tracing_enabled=stage.traced,
    )
    if not stage.traced:
        acknowledge(machine, NOT_TRACED)
    machine.node.add_dependency(permitted)
    return machine
