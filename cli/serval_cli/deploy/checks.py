"""Check what an account must have before a stage is deployed to it."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from serval.fleets.declaration import Fleet
from serval_cli.deploy.account import Account, NotAnswered

BOOTSTRAP_VERSION = 6
"""The oldest version that CDK deploys with."""
CONCURRENCY = "lambda_concurrency"
NEW_ACCOUNT = 10
FAMILY = re.compile(r"(?:ml\.)?([a-z]+)")
SPOT = {"g": "G and VT", "vt": "G and VT", "inf": "Inf", "p": "P", "trn": "Trn"}
STANDARD = "Standard (A, C, D, H, I, M, R, T, Z)"


@dataclass(frozen=True, slots=True)
class Finding:
    """A lack of the account, and what to do about it."""

    text: str
    blocks: bool = True
    """Whether the deployment would fail."""


def access_findings(account: Account) -> Iterator[Finding]:
    """Check the region, the credentials and CDK's bootstrap stack."""
    if account.region is None:
        yield Finding("no AWS region: set AWS_REGION to one, such as eu-central-1")
        return
    try:
        number, version = account.number(), account.bootstrap_version()
    except NotAnswered as why:
        yield Finding(str(why))
        return
    bootstrap = f"`npx cdk bootstrap aws://{number}/{account.region}` in the checkout"
    if version is None:
        yield Finding(
            f"account {number} is not bootstrapped for CDK in {account.region}: {bootstrap}, "
            "once for each account and region"
        )
    elif version < BOOTSTRAP_VERSION:
        yield Finding(
            f"CDK's bootstrap stack in {account.region} has version {version}, "
            f"{BOOTSTRAP_VERSION} needed: {bootstrap}"
        )


def concurrency_findings(account: Account, context: Mapping[str, str]) -> Iterator[Finding]:
    """Compare the concurrency that the stage assumes with the account's."""
    asked = int(context.get(CONCURRENCY, NEW_ACCOUNT))
    try:
        given = account.concurrency()
    except NotAnswered as why:
        yield Finding(f"Lambda's quota is not known: {why}", blocks=False)
        return
    if asked > given:
        yield Finding(
            f"{CONCURRENCY} is {asked}, and Lambda runs {given} invocations at once in this "
            f"account: `-c {CONCURRENCY}={given}`, or have the quota raised (Service Quotas, "
            "Lambda, Concurrent executions)"
        )
    elif asked < given:
        yield Finding(
            f"Lambda runs {given} invocations at once in this account, and the stage is made for "
            f"{asked}: `-c {CONCURRENCY}={given}` gives batch jobs larger shares",
            blocks=False,
        )


def fleet_findings(account: Account, fleets: Mapping[str, Fleet]) -> Iterator[Finding]:
    """Check that the account's quotas allow the fleets' machines."""
    services = {"spot": "ec2", "sagemaker": "sagemaker"}
    for kind, service in services.items():
        mine = [fleet for fleet in fleets.values() if fleet.kind == kind]
        if not mine:
            continue
        try:
            quotas = account.quotas(service)
        except NotAnswered as why:
            yield Finding(f"the quotas of {service} are not known: {why}", blocks=False)
            continue
        for fleet in mine:
            name = quota_name(fleet)
            if not quotas.get(name):
                yield zero_quota(fleet, name)


def zero_quota(fleet: Fleet, quota: str) -> Finding:
    """Describe a quota of zero for a fleet's machines."""
    endpoint = fleet.kind == "sagemaker"
    becomes = "its endpoint cannot be made" if endpoint else "it deploys, and gets no machine"
    return Finding(
        f"fleet {fleet.name!r}: the quota {quota!r} is 0 here, so {becomes}: ask for more in "
        "Service Quotas",
        blocks=endpoint,
    )


def quota_name(fleet: Fleet) -> str:
    """Name the quota that the fleet's first instance type counts against."""
    instance_type = fleet.instance_types[0]
    if fleet.kind == "sagemaker":
        return f"{instance_type} for endpoint usage"
    family = FAMILY.match(instance_type)
    kind = SPOT.get(family[1] if family else "", STANDARD)
    return f"All {kind} Spot Instance Requests"


def docker_findings(images: int, problem: Callable[[], str | None]) -> Iterator[Finding]:
    """Check that Docker runs if images have to be built."""
    if images and (why := problem()) is not None:
        yield Finding(
            f"{images} image{'s' if images > 1 else ''} of fleets' workers or large handlers must "
            f"be built, and {why}: start Docker, or deploy without them"
        )


def docker_problem() -> str | None:
    """Return why Docker cannot build; None if it can."""
    if shutil.which("docker") is None:
        return "there is no docker here"
    run = subprocess.run(["docker", "info"], capture_output=True, text=True, check=False)
    return None if run.returncode == 0 else "Docker does not run"
