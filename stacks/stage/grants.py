"""Grant permissions to roles, each written out."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from aws_cdk import Stack
from aws_cdk.aws_iam import Effect, IPrincipal, PolicyStatement, Role
from constructs import Construct

from serval.models.state_events import SOURCE

RESOURCES_AT_ONCE = 25
"""Resources in one statement.

CDK moves statements that do not fit a role's own 10,240 bytes to policies of 6,144 bytes.
"""
Conditions = Mapping[str, Mapping[str, object]]


class Granted(Construct):
    """A construct with its own role, which may do only what it is granted."""

    role: Role

    def allow(
        self,
        actions: Sequence[str],
        resources: Sequence[str],
        conditions: Conditions | None = None,
    ) -> None:
        """Grant exactly these actions on these resources."""
        allow(self.role, actions, resources, conditions)


class GrantedRole(Granted):
    """A role that does not belong to a function."""

    def __init__(self, scope: Construct, id_: str, *, assumed_by: IPrincipal) -> None:
        super().__init__(scope, id_)
        self.role = Role(self, "Role", assumed_by=assumed_by)


Announcing = TypeVar("Announcing", bound=Granted)


def allow_to_announce(granted: Announcing, detail_type: str | None = None) -> Announcing:
    """Let the construct send Serval's events, or those of one type, to the default bus."""
    bus = Stack.of(granted).format_arn(
        service="events", resource="event-bus", resource_name="default"
    )
    ours = {"events:source": SOURCE}
    if detail_type is not None:
        ours["events:detail-type"] = detail_type
    granted.allow(["events:PutEvents"], [bus], {"StringEquals": ours})
    return granted


def allow(
    role: Role,
    actions: Sequence[str],
    resources: Sequence[str],
    conditions: Conditions | None = None,
) -> None:
    """Grant exactly these actions on these resources."""
    for first in range(0, len(resources), RESOURCES_AT_ONCE):
        role.add_to_policy(
            PolicyStatement(
                effect=Effect.ALLOW,
                actions=list(actions),
                resources=list(resources[first : first + RESOURCES_AT_ONCE]),
                conditions=dict(conditions) if conditions else None,
            )
        )


def partitions(*names: str) -> dict[str, Mapping[str, object]]:
    """Return the condition that a request names partitions, and only these."""
    return {
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": list(names)},
        "Null": {"dynamodb:LeadingKeys": "false"},
    }
