"""Log groups that AWS's services deliver to: state machines' and the API's."""

from aws_cdk import Aws, Fn
from aws_cdk.aws_logs import LogGroup
from constructs import Construct

from stacks.stage.serval_function import LOG_RETENTION
from stacks.stage.stage import Stage


def vended_log_group(
    scope: Construct, id_: str, *, stage: Stage, service: str, name: str
) -> LogGroup:
    """Declare a log group below ``/aws/vendedlogs/``.

    AWS writes one statement for that prefix into the account's resource policy, and one for each
    other log group; the policy holds 5,120 characters, and a log beyond them is not delivered. The
    name ends in what tells this stack from an earlier one, whose log may have been kept.
    """
    own = Fn.select(2, Fn.split("/", Aws.STACK_ID))
    return LogGroup(
        scope,
        id_,
        log_group_name=f"/aws/vendedlogs/{service}/serval-{stage.name}-{name}-{own}",
        retention=LOG_RETENTION,
        removal_policy=stage.removal_policy,
    )
