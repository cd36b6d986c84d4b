"""Log groups to which AWS services deliver: those of state machines and the API."""

from aws_cdk import Aws, Fn
from aws_cdk.aws_logs import LogGroup
from constructs import Construct

from stacks.stage.serval_function import LOG_RETENTION
from stacks.stage.stage import Stage


def vended_log_group(
    scope: Construct, id_: str, *, stage: Stage, service: str, name: str
) -> LogGroup:
    """Declare a log group below ``/aws/vendedlogs/``.

    AWS adds one statement for this prefix to the account's resource policy, but one for each log
    group elsewhere; logs beyond the policy's 5,120 characters are not delivered. The end of the
    name tells this stack from an earlier one, whose log may have been kept.
    """
    own = Fn.select(2, Fn.split("/", Aws.STACK_ID))
    return LogGroup(
        scope,
        id_,
        log_group_name=f"/aws/vendedlogs/{service}/serval-{stage.name}-{name}-{own}",
        retention=LOG_RETENTION,
        removal_policy=stage.removal_policy,
    )
