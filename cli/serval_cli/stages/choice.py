"""Choose the stage to work on: the one named, else remembered, else the only candidate."""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import typer

from serval_cli.failures import CommandFailed
from serval_cli.local.state_folder import StateFolder
from serval_cli.stages.local_stage import read_local_stage

LOCAL = "local"
STAGE_NAME = re.compile(r"[a-z](-?[a-z0-9]){0,23}")
CREDENTIALS = (
    "AWS_PROFILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
FILES = (
    ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
    ("AWS_CONFIG_FILE", "~/.aws/config"),
)
HOW = "`serval use STAGE` chooses one and remembers it, --stage or SERVAL_STAGE chooses for once"


def choose(named: str | None) -> str:
    """Choose the stage to work on, without asking AWS.

    Raises
    ------
    CommandFailed
        If no stage is chosen and several may be meant.
    """
    if named is not None:
        return check_name(named)
    if remembered := remembered_stage():
        return remembered
    # A local stage that does not answer still counts as a candidate: what was meant for it must not
    # go elsewhere.
    local, account = read_local_stage() is not None, aws_is_set_up()
    if local and account:
        return ask_for_stage()
    if local:
        return LOCAL
    raise CommandFailed(
        f"no stage is chosen: {HOW}; `serval local up --detach` starts one on this machine"
    )


def ask_for_stage() -> str:
    """Ask which stage is meant, if there is a terminal to ask on."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise CommandFailed(
            "no stage is chosen: there is the local one, and credentials for AWS "
            f"({LOCAL}, prod, …): {HOW}"
        )
    return check_name(
        typer.prompt(f"No stage is chosen ({HOW}). Which one? [{LOCAL}, prod, …]", err=True)
    )


def check_name(name: str) -> str:
    """Return a valid stage name, or raise ``CommandFailed``."""
    if not STAGE_NAME.fullmatch(name):
        raise CommandFailed(
            f"stage {name!r}: up to 24 lower-case letters, digits and single '-' expected, "
            "the first a letter"
        )
    return name


def aws_is_set_up(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether this user or process has an AWS configuration, without using it."""
    return any(environ.get(name) for name in CREDENTIALS) or any(
        Path(environ.get(name) or usual).expanduser().is_file() for name, usual in FILES
    )


def remembered_stage() -> str | None:
    """Read the choice of ``serval use``."""
    file = StateFolder.locate().chosen_stage
    try:
        name = file.read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not STAGE_NAME.fullmatch(name):
        raise CommandFailed(f"{file} holds no stage name: `serval use STAGE` writes it again")
    return name


def remember(name: str) -> None:
    """Remember a stage for later commands."""
    file = StateFolder.locate().chosen_stage
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.write_text(f"{check_name(name)}\n")


def forget() -> None:
    """Forget the choice."""
    StateFolder.locate().chosen_stage.unlink(missing_ok=True)
