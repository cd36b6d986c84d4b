"""The state machine of rollouts and its permissions."""

from collections.abc import Mapping, Sequence

from aws_cdk.aws_dynamodb import ITable
from aws_cdk.aws_iam import Role, ServicePrincipal
from aws_cdk.aws_lambda import IFunction
from aws_cdk.aws_stepfunctions import DefinitionBody
from constructs import Construct

from stacks.rollouts.states import RolloutStates
from stacks.stage.acknowledgements import acknowledge
from stacks.stage.grants import allow, partitions
from stacks.stage.stage import Stage
from stacks.stage.state_machine import KNOW_NO_RESOURCES, actions_of_logs, state_machine


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
        allow(role, actions_of_logs(stage), ["*"])
        acknowledge(role, KNOW_NO_RESOURCES)
        states = RolloutStates(self, "States", steps=steps, registry=registry)
        self.machine = state_machine(
            self,
            DefinitionBody.from_chainable(states.first),
            stage=stage,
            log="rollout",
            role=role.without_policy_updates(),
            permitted=role,
        )
