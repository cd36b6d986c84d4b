"""Rights of roles, each written out."""

from collections.abc import Mapping, Sequence

from aws_cdk.aws_iam import Effect, PolicyStatement, Role

Conditions = Mapping[str, Mapping[str, object]]


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
