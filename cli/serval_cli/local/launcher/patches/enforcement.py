"""Permissions: every call is held against the policies of the role that makes it.

The evaluator is the emulator's own, which it leaves off; it knows the actions and resources of
requests, all of the condition operators, resource policies, and how each service says no. What is
closed here are its gaps: condition keys that it leaves out, and that this machine has no TLS.
Functions get credentials of their roles; the keys of the laptop's user may do everything.
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
"""Services of AWS's JSON protocol: what they deny has status 400, and not the emulator's 403."""


class OverTls:
    """The origin of requests, which on AWS all come over TLS: buckets deny what does not."""

    def __init__(self, origin: Any) -> None:
        self._origin = origin

    def get(self) -> tuple[str, bool]:
        """Give the caller's address, and that it speaks TLS."""
        address, _ = self._origin.get()
        return address, True

    def set(self, origin: tuple[str, bool]) -> Any:
        """Note where a request comes from."""
        return self._origin.set(origin)


def apply(emulator: Emulator, authority: Authority) -> None:
    """Turn enforcement on."""
    evaluator, actions = emulator.iam_evaluator, emulator.iam_actions
    requests, read = Requests(emulator), Actions(emulator, authority.tokens)
    evaluator._request_origin = OverTls(evaluator._request_origin)
    evaluator._gather_role_policies = authority.policies.gather
    evaluator.evaluate = authority.policies.evaluate
    evaluator.enforce = noting(evaluator.enforce, evaluator, authority)
    actions.access_denied_response = with_status(actions.access_denied_response)
    actions.SERVICE_TO_IAM_NAMESPACE["sagemaker"] = "sagemaker"
    actions.extract_iam_action = read.action
    actions.extract_resource_arn = read.resource
    actions.dynamodb_resource_arns = requests.tables
    actions.dynamodb_transaction_checks = requests.transaction
    actions.request_tag_context = requests.keys
    emulator.app.AUTH = True


def noting(enforce: Callable[..., Any], evaluator: Any, authority: Authority) -> Callable[..., Any]:
    """Make a check that takes the keys of a resource into account, and notes what it refuses."""

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
    """Make a denial that has AWS's status."""

    def denied(service: str, *told: Any, **more: Any) -> Reply:
        status, headers, body = deny(service, *told, **more)
        return 400 if service in CLIENT_ERRORS else status, headers, body

    return denied
