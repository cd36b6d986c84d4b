"""Deploy to AWS: check, synthesise, show, ask, deploy."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from serval.fleets.declaration import read_fleets
from serval.models.deployed_fleets import Fleets
from serval.settings import unpack
from serval_cli.deploy.account import Account, NotAnswered
from serval_cli.deploy.assembly import Assembly
from serval_cli.deploy.checks import (
    Finding,
    access_findings,
    concurrency_findings,
    docker_findings,
    fleet_findings,
)
from serval_cli.deploy.plan import Plan
from serval_cli.failures import CommandFailed

PARTS = ("storage", "api", "models", "fleets")


class NotReady(CommandFailed):
    """The account or this machine lacks what the deployment needs."""

    def __init__(self, findings: list[Finding]) -> None:
        lacks = "".join(f"\n  - {finding.text}" for finding in findings)
        super().__init__(f"nothing was deployed; first:{lacks}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployRequest:
    """The user's request for a deployment."""

    stage: str
    models: Path | None = None
    """Folder of bundles; None: the examples."""
    fleets: Path | None = None
    context: Mapping[str, str] = field(default_factory=dict)

    @property
    def choices(self) -> Mapping[str, str]:
        """The context of the CDK app, except the stage's name."""
        chosen = {"models": self.models, "fleets": self.fleets}
        paths = {name: str(path) for name, path in chosen.items() if path is not None}
        return {**self.context, **paths}


class Synthesis(Protocol):
    """Runs the CDK app, and deploys its templates."""

    def synthesise(self, settings: Mapping[str, str]) -> Assembly:
        """Write the templates."""

    def deploy(self) -> None:
        """Deploy the written templates."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """Plans and deploys a stage."""

    account: Account
    cdk: Synthesis
    docker: Callable[[], str | None]
    """Returns why Docker cannot build; None if it can."""

    def plan(self, asked: DeployRequest, *, without_account: bool = False) -> Plan:
        """Find out what a deployment would do.

        Parameters
        ----------
        without_account
            Whether to plan on even if the account cannot be reached.

        Raises
        ------
        NotReady
            If something is missing.
        """
        access = list(access_findings(self.account))
        if access and not without_account:
            raise NotReady(access)
        assembly = self.cdk.synthesise({**asked.choices, "stage": asked.stage})
        declared = fleets_of(assembly, asked)
        findings = [*access, *docker_findings(assembly.images, self.docker)]
        findings += [Finding(text, blocks=False) for text in assembly.notes]
        there: dict[str, Mapping[str, str]] = {}
        if not access:
            findings += concurrency_findings(self.account, asked.context)
            findings += fleet_findings(self.account, declared)
            there = self._there(asked.stage)
        plan = Plan(
            stage=asked.stage,
            account=None if access else self.account.number(),
            region=self.account.region,
            assembly=assembly,
            declared=declared,
            there=there,
            taken_away=find_removed(there.get("api", {}), assembly),
            findings=findings,
        )
        if not without_account and (missing := [one for one in findings if one.blocks]):
            raise NotReady(missing)
        return plan

    def deploy(self, plan: Plan) -> dict[str, Any]:
        """Deploy a plan and describe the stage."""
        self.cdk.deploy()
        said = self.account.outputs(f"serval-{plan.stage}-api") or {}
        url = said.get("ApiUrl", "").rstrip("/")
        return {"stage": plan.stage, "api_url": url, "region": plan.region}

    def _there(self, stage: str) -> dict[str, Mapping[str, str]]:
        try:
            found = {part: self.account.outputs(f"serval-{stage}-{part}") for part in PARTS}
        except NotAnswered as why:
            raise CommandFailed(str(why)) from None
        return {part: outputs for part, outputs in found.items() if outputs is not None}


def fleets_of(assembly: Assembly, asked: DeployRequest) -> Mapping[str, Any]:
    """Return the deployed fleets, as their file declares them."""
    if asked.fleets is None:
        return {}
    declared = read_fleets(asked.fleets.read_bytes())
    return {name: declared[name] for name in assembly.fleets.by_name}


def find_removed(deployed: Mapping[str, str], assembly: Assembly) -> list[str]:
    """Name the models whose function or fleet the deployment would remove."""
    own = set(json.loads(unpack(deployed.get("OwnFunctions", "[]"))))
    on_fleets = set(Fleets.from_text(deployed.get("Fleets", "{}")).models)
    gone = (own - set(assembly.own_functions)) | (on_fleets - set(assembly.fleets.models))
    return sorted(gone)
