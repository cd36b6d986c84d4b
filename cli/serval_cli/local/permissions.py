"""Show the emulator's report on permissions: granted, used and refused."""

import json
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from serval_cli.failures import CommandFailed
from serval_cli.local.server import PERMISSIONS
from serval_cli.local.state_folder import StateFolder


class NoReport(CommandFailed):
    """No stage has run in this state folder yet."""

    def __init__(self, folder: StateFolder) -> None:
        super().__init__(
            f"no report on permissions in {folder.logs}: `serval local up` starts a stage"
        )


def read_report(folder: StateFolder) -> dict[str, Any]:
    """Read the report of the current stage, or of the last one that ran."""
    try:
        found: dict[str, Any] = json.loads((folder.logs / PERMISSIONS).read_text())
    except FileNotFoundError:
        raise NoReport(folder) from None
    return found


def view_report(found: dict[str, Any]) -> RenderableType:
    """Show refused calls, and the grants that no role has used so far."""
    lines = [
        Text(f"refused  {each['role']}: {each['action']} on {each['resource']} ({each['times']}x)")
        for each in found["refused"]
    ]
    for role, grants in found["roles"].items():
        used, unused = len(grants["used"]), grants["unused"]
        lines.append(Text(f"{role}: {used} used, {len(unused)} not"))
        lines += [Text(f"  {render_grant(grant)}") for grant in unused]
    return Group(*lines)


def render_grant(grant: dict[str, str]) -> str:
    """Render a grant in a line."""
    where = f" where {grant['condition']}" if "condition" in grant else ""
    return f"{grant['action']} on {grant['resource']}{where}"
