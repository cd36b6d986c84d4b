"""Render the secrets of a model, of which nothing shows the values."""

from rich.console import RenderableType
from rich.text import Text

from serval_cli.views.models import Value, lines
from serval_cli.views.table import table


def secrets(value: Value) -> RenderableType:
    """Render the names of a model's secrets."""
    model = value["model"]
    if not value["secrets"]:
        return Text(f"model {model!r} has no secrets: `serval secrets set {model} NAME` sets one")
    shown = table("name", "version", "changed (UTC)")
    for one in value["secrets"]:
        shown.add_row(one["name"], str(one["version"]), one["changed"][:19].replace("T", " "))
    return shown


def stored_secret(value: Value) -> RenderableType:
    """Render what has been set, and how a handler gets it."""
    name = value["name"]
    return lines(
        f"secret {name!r} of model {value['model']!r} is set, version {value['version']}",
        f"`secrets: {{VARIABLE: {name}}}` in its model.yaml puts it into the handler's environment",
    )


def deleted_secret(value: Value) -> RenderableType:
    """Render what has been deleted."""
    return Text(f"secret {value['name']!r} of model {value['model']!r} is deleted")
