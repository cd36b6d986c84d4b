"""Check permissions where services act inside the emulator, without signed requests."""

import logging
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from serval_cli.local.launcher.emulator import Emulator
from serval_cli.local.launcher.iam.actions import Tokens
from serval_cli.local.launcher.iam.ledger import Ledger
from serval_cli.local.launcher.iam.role_policies import Policies
from serval_cli.local.launcher.iam.tasks import REGION

logger = logging.getLogger(__name__)


class Refused(Exception):
    """A role or a service lacks a permission."""

    def __init__(self, who: str, action: str, resource: str) -> None:
        super().__init__(f"{who} is not authorized to perform: {action} on resource: {resource}")


class Authority:
    """Checks actions against the policies of roles and resources."""

    def __init__(self, emulator: Emulator) -> None:
        self.ledger = Ledger()
        self.policies = Policies(emulator, self.ledger)
        self.tokens = Tokens()
        self._evaluator = emulator.iam_evaluator
        self._decided: dict[tuple[str, str, str, str], tuple[Any, bool]] = {}
        """Question → the policy at that time, and its decision."""

    def check_role(
        self, role: str, action: str, resource: str, keys: Mapping[str, Any] | None = None
    ) -> None:
        """Raise ``Refused`` unless a role, given by its ARN, may take an action."""
        account, name = role.split(":")[4], role.rpartition("/")[2]
        who = f"arn:aws:sts::{account}:assumed-role/{name}/session"
        context = self._context(who, "AssumedRole", account, action, resource, keys or {})
        decided = self.policies.evaluate(context, self.policies.gather(name, account))
        if decided.decision != "Allow":
            self.refuse(name, action, resource)
            raise Refused(who, action, resource)

    def check_service(
        self, service: str, action: str, resource: str, *, source: str, policy: Any
    ) -> None:
        """Raise ``Refused`` unless a resource's policy lets a service act on behalf of a source."""
        question = service, action, resource, source
        known = self._decided.get(question)
        if known is None or known[0] != policy:
            keys = {"aws:SourceArn": source, "aws:SourceAccount": resource.split(":")[4]}
            context = self._context("*", "Service", "", action, resource, keys)
            decided = self._evaluator.evaluate_resource_policy(policy, context, service=service)
            known = self._decided[question] = deepcopy(policy), decided.decision == "Allow"
        if not known[1]:
            self.refuse(service, action, resource)
            raise Refused(f"{service} for {source}", action, resource)

    def refuse(self, who: str, action: str, resource: str) -> None:
        """Log and record a refusal."""
        logger.warning("%s is not allowed %s on %s", who, action, resource)
        self.ledger.refuse(who, action, resource)

    def _context(
        self,
        who: str,
        kind: str,
        account: str,
        action: str,
        resource: str,
        keys: Mapping[str, Any],
    ) -> Any:
        return self._evaluator.EvalContext(
            principal_arn=who,
            principal_type=kind,
            principal_account=account,
            action=action,
            resource_arn=resource,
            region=REGION,
            service_context={name.lower(): value for name, value in keys.items()},
        )
