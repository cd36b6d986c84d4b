"""Parse the policies of roles once, and remember the decisions made by them."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from serval_cli.local.launcher.emulator import Emulator
from serval_cli.local.launcher.iam.ledger import Grant, Ledger

MOST_DECISIONS = 10_000
"""Decisions kept per role; requests may name any number of objects."""
Evaluate = Callable[..., Any]


class RolePolicies(list[Any]):
    """A role's parsed documents, as the list that the emulator's evaluator takes."""

    def __init__(self, role: str, documents: Mapping[str, Any], parsed: list[Any]) -> None:
        super().__init__(parsed)
        self.role, self.documents = role, documents
        self.decisions: dict[Any, Any] = {}

    @property
    def grants(self) -> Iterator[Grant]:
        """The grants of the role."""
        for statement in self.allowing:
            for action in statement.actions:
                for resource in statement.resources:
                    yield grant(statement, action, resource)

    @property
    def allowing(self) -> Iterator[Any]:
        """The statements that allow something."""
        return (one for document in self for one in document if one.effect == "Allow")


class Policies:
    """Finds the policies of roles and decides by them, remembering decisions."""

    def __init__(self, emulator: Emulator, ledger: Ledger) -> None:
        self._evaluator, self._iam, self._ledger = emulator.iam_evaluator, emulator.iam, ledger
        self._gather: Evaluate = emulator.iam_evaluator._gather_role_policies
        self._managed: Evaluate = emulator.iam_evaluator._resolve_managed_policy_document
        self._evaluate: Evaluate = emulator.iam_evaluator.evaluate
        self._found: dict[tuple[str, str], RolePolicies] = {}

    def gather(self, role: str, account: str) -> list[Any]:
        """Return a role's policies, as the same list until they change."""
        record = self._iam._roles.get_scoped(account, None, role)
        if record is None:
            return list(self._gather(role, account))
        # CDK attaches what does not fit a role's own policy as managed ones.
        attached = record.get("AttachedPolicies") or ()
        documents = dict(record.get("InlinePolicies") or {})
        documents |= {arn: self._managed(arn, account) for arn in attached}
        found = self._found.get((account, role))
        if found is None or found.documents != documents:
            found = RolePolicies(role, documents, self._gather(role, account))
            self._found[account, role] = found
        return found

    def grants_of(self, prefix: str) -> dict[str, list[Grant]]:
        """Return the grants of all roles with a name prefix."""
        return {
            role: list(found.grants)
            for account, role in list(self._iam._roles.to_dict())
            if role.startswith(prefix)
            and isinstance(found := self.gather(role, account), RolePolicies)
        }

    def evaluate(self, context: Any, policies: list[Any], *limits: Any) -> Any:
        """Decide as the emulator does, and record the grants that were used."""
        if not isinstance(policies, RolePolicies) or limits:
            return self._evaluate(context, policies, *limits)
        keys = {name: str(value) for name, value in context.service_context.items()}
        question = context.action, context.resource_arn, tuple(sorted(keys.items()))
        decided = policies.decisions.get(question)
        if decided is None:
            decided = self._evaluate(context, policies)
            if decided.decision == "Allow":
                self._ledger.use(policies.role, self._matching_grants(context, policies))
            if len(policies.decisions) >= MOST_DECISIONS:
                policies.decisions.clear()
            policies.decisions[question] = decided
        # Callers write their session into the decision.
        return replace(decided, principal_arn=context.principal_arn)

    def _matching_grants(self, context: Any, policies: RolePolicies) -> Iterator[Grant]:
        """Yield every grant that allows a request."""
        evaluator = self._evaluator
        for statement in policies.allowing:
            if not evaluator._conditions_met(statement.conditions, context):
                continue
            for action in statement.actions:
                if evaluator.fnmatch_iam(context.action, action):
                    for resource in statement.resources:
                        if evaluator.fnmatch_iam_cs(context.resource_arn, resource):
                            yield grant(statement, action, resource)


def grant(statement: Any, action: str, resource: str) -> Grant:
    """Build the grant for one action and resource of a statement."""
    conditions = statement.conditions
    return Grant(action, resource, json.dumps(conditions, sort_keys=True) if conditions else "")
