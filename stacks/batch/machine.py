"""The state machine of batch jobs and its permissions."""

import json
from collections.abc import Mapping, Sequence

from aws_cdk import Aws
from aws_cdk.aws_iam import ServicePrincipal
from aws_cdk.aws_lambda import IFunction
from aws_cdk.aws_stepfunctions import DefinitionBody
from constructs import Construct

from serval.models.resource_names import shards_queue_name
from stacks.batch.states import definition, map_labels
from stacks.fleets.rights import FleetRights, arn
from stacks.stage.acknowledgements import acknowledge
from stacks.stage.grants import GrantedRole
from stacks.stage.stage import Stage
from stacks.stage.state_machine import KNOW_NO_RESOURCES, actions_of_logs, state_machine
from stacks.storage.storage_stack import StorageStack

OWN_CHILDREN = "executions of its own maps, whose names are known only while it runs"


class BatchMachine(Construct):
    """A state machine whose role calls its steps, runs its own maps and queues work for fleets."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        stage: Stage,
        steps: Mapping[str, IFunction],
        storage: StorageStack,
        rights: FleetRights,
    ) -> None:
        super().__init__(scope, id_)
        name = machine_name(stage.name)
        self.executions = f"execution:{name}:*"
        """Pattern of its executions' names; those of its maps have other names."""
        role = GrantedRole(self, "Role", assumed_by=ServicePrincipal("states.amazonaws.com"))
        arns = {step: function.function_arn for step, function in steps.items()}
        role.allow(["lambda:InvokeFunction"], list(arns.values()))
        storage.data.grant_batch_items(role)
        queue = shards_queue_name(stage.name, "{}")
        url = f"https://sqs.{Aws.REGION}.{Aws.URL_SUFFIX}/{Aws.ACCOUNT_ID}/{queue}"
        states = definition(
            arns,
            partition=Aws.PARTITION,
            queue_url=url,
            scans_at_once=stage.concurrency.scans,
        )
        self._allow_to_map(role, name, map_labels(states))
        rights.grant_ask(role)
        role.allow(actions_of_logs(stage), ["*"])
        acknowledge(role, KNOW_NO_RESOURCES)
        self.machine = state_machine(
            self,
            # Not as CDK's JSON, which drops the nulls that discard results.
            DefinitionBody.from_string(json.dumps(states)),
            stage=stage,
            log="batch",
            role=role.role.without_policy_updates(),
            permitted=role,
            name=name,  # known beforehand, so that the role may be allowed to start it
        )

    def _allow_to_map(self, role: GrantedRole, name: str, maps: Sequence[str]) -> None:
        """Let the role start, describe and stop the children of its own maps."""
        role.allow(["states:StartExecution"], [arn(role, "states", f"stateMachine:{name}")])
        # AWS's policy for such maps names the machine's executions; the children have the maps'
        # names.
        children = (self.executions, *(f"execution:{name}/{label}:*" for label in maps))
        role.allow(
            ["states:DescribeExecution", "states:RedriveExecution", "states:StopExecution"],
            [arn(role, "states", each) for each in children],
        )
        for each in children:
            acknowledge_wildcard(role, each, OWN_CHILDREN)


def machine_name(stage: str) -> str:
    """Return the name of a stage's machine."""
    return f"serval-{stage}-batch"


def acknowledge_wildcard(construct: Construct, resource: str, reason: str) -> None:
    """Acknowledge a finding about a wildcard in Step Functions' names."""
    wildcard = f"arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:{resource}"
    acknowledge(construct, {f"AwsSolutions-IAM5[Resource::{wildcard}]": reason})
