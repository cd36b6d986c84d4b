"""Check every call against the policies of the role that makes it.

The evaluator is the emulator's own, which is off by default. It knows the actions and resources of
requests, all condition operators, resource policies, and each service's way of refusing. This patch
closes its gaps: missing condition keys, and the lack of TLS on this machine. Functions get the
credentials of their roles; the keys of the stage's owner may do everything.
"""

from collections.abc import Callable
from typing import Any

from serval_cli.local.launcher.emulator import Emulator
from serval_cli.local.launcher.iam.actions import Actions
from serval_cli.local.launcher.iam.authority import Authority
from serval_cli.local.launcher.iam.requests import Requests

NAMES = (
    "app/AUTH",
    "dynamodb/_tables",
    "iam/_roles",
    "iam_actions/access_denied_response",
    "iam_actions/SERVICE_TO_IAM_NAMESPACE",
    "iam_actions/dynamodb_resource_arns",
    "iam_actions/dynamodb_transaction_checks",
    "iam_actions/extract_iam_action",
    "iam_actions/extract_resource_arn",
    "iam_actions/request_tag_context",
    "iam_evaluator/_conditions_met",
    "iam_evaluator/_gather_role_policies",
    "iam_evaluator/_request_origin",
    "iam_evaluator/_role_name_from_assumed_arn",
    "iam_evaluator/enforce",
    "iam_evaluator/evaluate",
    "iam_evaluator/fnmatch_iam",
    "iam_evaluator/fnmatch_iam_cs",
)
Reply = tuple[int, dict[str, str], bytes]
CLIENT_ERRORS = {"dynamodb", "ecs", "events", "sagemaker", "states"}
"""Services of AWS's JSON protocol refuse with status 400, where the emulator answers 403."""


class OverTls:
    """The origin of requests, reported as TLS because buckets refuse anything else."""

    def __init__(self, origin: Any) -> None:
        self._origin = origin

    def get(self) -> tuple[str, bool]:
        """Return the caller's address, and that it uses TLS."""
        address, _ = self._origin.get()
        return address, True

    def set(self, origin: tuple[str, bool]) -> Any:
        """Store the origin of a request."""
        return self._origin.set(origin)


def apply(emulator: Emulator, authority: Authority) -> None:
    """Turn enforcement on."""
    evaluator, actions = emulator.iam_evaluator, emulator.iam_actions
    requests, read = Requests(emulator), Actions(emulator, authority.tokens)
    evaluator._request_origin = OverTls(evaluator._request_origin)
    evaluator._gather_role_policies = authority.policies.gather
    evaluator.evaluate = authority.policies.evaluate
    evaluator.enforce = recording_refusals(evaluator.enforce, evaluator, authority)
    actions.access_denied_response = with_status(actions.access_denied_response)
    actions.SERVICE_TO_IAM_NAMESPACE["sagemaker"] = "sagemaker"
    actions.extract_iam_action = read.action
    actions.extract_resource_arn = read.resource
    actions.dynamodb_resource_arns = requests.tables
    actions.dynamodb_transaction_checks = requests.transaction
    actions.request_tag_context = requests.keys
    emulator.app.AUTH = True


def recording_refusals(
    enforce: Callable[..., Any], evaluator: Any, authority: Authority
) -> Callable[..., Any]:
    """Wrap the check so that it includes a resource's keys and records refusals."""

    def check(
        key: str,
        action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: dict[str, Any] | None = None,
    ) -> Any:
        keys = {**(service_context or {}), **getattr(resource_arn, "keys", {})}
        refused = enforce(key, action, service, region, resource_arn, keys)
        if hasattr(refused, "decision"):
            role = evaluator._role_name_from_assumed_arn(refused.principal_arn)
            authority.refuse(role, action, resource_arn)
        return refused

    return check


def with_status(deny: Callable[..., Reply]) -> Callable[..., Reply]:
    """Wrap a denial so that it has AWS's status."""

    def deny_with_status(service: str, *told: Any, **more: Any) -> Reply:
        status, headers, body = deny(service, *told, **more)
        return 400 if service in CLIENT_ERRORS else status, headers, body

    return deny_with_status
