"""``serval deploy``: deploy a stage to an AWS account or to this machine."""

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from serval_cli.deploy.aws_account import AwsAccount
from serval_cli.deploy.cdk import CdkForAws
from serval_cli.deploy.checks import docker_problem
from serval_cli.deploy.deployment import Deployment, DeployRequest
from serval_cli.deploy.views import view_plan
from serval_cli.failures import CommandFailed
from serval_cli.local.commands import bring_up
from serval_cli.local.platform import Platform
from serval_cli.local.progress import steps_on
from serval_cli.local.state_folder import StateFolder
from serval_cli.local.toolchain import Toolchain
from serval_cli.options import FleetsOption, JsonOption, ModelsOption, StageOption, new_app
from serval_cli.output import errors, show
from serval_cli.stages.choice import LOCAL, check_name, remembered_stage

NO_TERMINAL = (
    "this is not a terminal, so nobody can be asked: --yes deploys unasked, --plan only shows"
)
LOCAL_PLAN = (
    "the stage on this machine is deployed at once and costs nothing, so --plan has nothing to "
    "show; nothing was done. `--stage prod --plan` shows what would be deployed to AWS"
)
app = new_app()


@app.command()
def deploy(
    models: ModelsOption = None,
    fleets: FleetsOption = None,
    context: Annotated[
        list[str] | None,
        typer.Option(
            "--context",
            "-c",
            metavar="NAME=VALUE",
            show_default=False,
            help="A setting of the stage; may be repeated.",
        ),
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only show what would be deployed; needs no account.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Deploy without asking.")] = False,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Deploy a stage, after showing what that means.

    Without --models and --fleets: the light examples, which bring no network, no machine and no
    image. The stage `local` is deployed to this machine, without a question.
    """
    asked = DeployRequest(
        stage=stage_to_deploy(stage),
        models=models,
        fleets=fleets,
        context=read_settings(context or []),
    )
    if asked.stage == LOCAL and plan:
        raise CommandFailed(LOCAL_PLAN)
    if asked.stage == LOCAL:
        bring_up(Platform(StateFolder.locate()), asked.choices, as_json=as_json)
        return
    toolchain = Toolchain.find()
    if not (yes or plan or (sys.stdin.isatty() and sys.stderr.isatty())):
        raise CommandFailed(NO_TERMINAL)
    with steps_on(errors()) as steps:
        folder = StateFolder.locate().path / "deployments" / asked.stage
        cdk = CdkForAws(toolchain, folder, steps)
        deployment = Deployment(AwsAccount(), cdk, docker_problem)
        made = deployment.plan(asked, without_account=plan)
    if plan:
        show(made.describe(), view_plan, as_json=as_json)
        return
    errors().print(view_plan(made.describe()), soft_wrap=True)
    if not yes:
        typer.confirm("Deploy it?", abort=True, err=True)
    show(deployment.deploy(made), view_deployed, as_json=as_json)


def stage_to_deploy(given: str | None) -> str:
    """Return the stage given or remembered; a deployment never guesses one."""
    if stage := given or remembered_stage():
        return check_name(stage)
    raise CommandFailed("no stage is named: --stage prod, SERVAL_STAGE or `serval use prod` does")


def read_settings(pairs: list[str]) -> Mapping[str, str]:
    """Read ``NAME=VALUE`` settings of the stage."""
    for pair in pairs:
        if not pair.partition("=")[2]:
            raise typer.BadParameter(f"{pair!r}: NAME=VALUE expected", param_hint="--context")
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}


def view_deployed(deployed: dict[str, Any]) -> RenderableType:
    """Show the stage's URL and the next commands."""
    stage = deployed["stage"]
    return Group(
        Text(f"stage {stage} answers at {deployed['api_url']}"),
        Text(f"next: serval use {stage}; serval keys create NAME; serval push BUNDLE --wait"),
    )
