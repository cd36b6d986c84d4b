"""Rights of roles, each written out."""

from collections.abc import Mapping, Sequence

from aws_cdk.aws_iam import Effect, IPrincipal, PolicyStatement, Role
from constructs import Construct

Conditions = Mapping[str, Mapping[str, object]]


class Granted(Construct):
    """Something with a role of its own, which may do what is granted to it and no more."""

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
    """A role that is no function's."""

    def __init__(self, scope: Construct, id_: str, *, assumed_by: IPrincipal) -> None:
        super().__init__(scope, id_)
        self.role = Role(self, "Role", assumed_by=assumed_by)


def allow(
    role: Role,
    actions: Sequence[str],
    resources: Sequence[str],
    conditions: Conditions | None = None,
) -> None:
    """Grant exactly these actions on these resources."""
    role.add_to_policy(
        PolicyStatement(
            effect=Effect.ALLOW,
            actions=list(actions),
            resources=list(resources),
            conditions=dict(conditions) if conditions else None,
        )
    )
