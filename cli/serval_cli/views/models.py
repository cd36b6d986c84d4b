"""Render models, versions, keys and answers."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from serval_cli.views import arrays
from serval_cli.views.table import table

Value = Mapping[str, Any]
STATUS_STYLES = {
    "promoted": "green",
    "refused": "red",
    "rolled back": "red",
    "superseded": "magenta",
    "running": "yellow",
    "succeeded": "green",
    "failed": "red",
    "cancelled": "magenta",
}


def lines(*parts: str | Text | None) -> Text:
    """Join texts as lines, leaving out None and empty ones."""
    return Text("\n").join(part if isinstance(part, Text) else Text(part) for part in parts if part)


def status(text: str) -> Text:
    """Render a status in its colour."""
    return Text(text, style=STATUS_STYLES.get(text, ""))


def skeleton(value: Value) -> RenderableType:
    """Render the files that ``init`` wrote."""
    return lines(
        f"{value['folder']}: {', '.join(value['files'])}",
        f"next: serval push {value['folder']} --wait",
    )


def golden_added(value: Value) -> RenderableType:
    """Render a new golden request."""
    who = f"version {value['version']}" if value["version"] else "the graph of this bundle"
    return lines(
        f"{value['file']}: {value['requests']} golden requests, the last as {who} of "
        f"{value['model']} answers",
        "a bundle whose model was retrained is refused by it if that model answers otherwise: "
        "take the line out again, or put the right answer into it",
    )


def push(value: Value) -> RenderableType:
    """Render the outcome of an upload."""
    head = f"{value['model']}: upload {value['upload']} to stage {value['stage']}"
    if value["status"] == "uploaded":
        follow = f"the rollout goes on without you: serval rollout {value['model']} --watch"
        return lines(f"{head} is complete", follow)
    if value["status"] == "promoted":
        # Imported late: most commands show no push.
        from serval.rollouts.history import without_canary

        live = f"version {value['version']} of {value['model']} is live on stage {value['stage']}"
        why = "" if value["reason"] == without_canary(value["version"]) else value["reason"]
        return Text(live, style="green") + Text(f": {why}" if why else "")
    return lines(head, status(value["status"]), bullets(value["reason"]))


def bullets(reasons: str) -> Text:
    """Render reasons as a list, one per line."""
    return lines(*(f"  - {reason}" for reason in reasons.splitlines()))


def traffic(route: Value | None) -> str:
    """Name the versions of a model that get traffic."""
    if route is None:
        return "none: no version has been published"
    if route["candidate"] is None:
        return f"version {route['stable']}"
    stable = 100 - route["percent"]
    return (
        f"version {route['stable']} {stable} %, candidate {route['candidate']} {route['percent']} %"
    )


def models(value: Value) -> RenderableType:
    """Render the models of a stage."""
    if not value["models"]:
        return Text("no models yet: `serval push BUNDLE --wait` publishes one")
    shown = table("model", "traffic", "description")
    for model in value["models"]:
        shown.add_row(model["name"], traffic(model), model["description"])
    return shown


def description(value: Value) -> RenderableType:
    """Render everything known about a model."""
    parts: list[RenderableType] = [
        lines(
            Text(value["model"], style="bold") + Text(f"  {value['description']}"),
            f"traffic: {traffic(value['route'])}",
        )
    ]
    if value["signature"]:
        parts.append(signature(value["signature"]))
    if value["published"]:
        parts.append(versions(value["published"], value["route"]))
    if value["rollouts"]:
        parts.append(rollouts(value["rollouts"]))
    return Group(*parts)


def signature(value: Value) -> RenderableType:
    """Render inputs and outputs."""
    shown = table("", "tensor", "datatype", "shape")
    for role in ("inputs", "optional_inputs", "outputs"):
        for spec in value.get(role, ()):
            shown.add_row(
                role[:-1].replace("_", " "), spec["name"], spec["datatype"], str(spec["shape"])
            )
    return shown


def versions(published: Sequence[Value], route: Value | None) -> RenderableType:
    """Render versions, newest first."""
    shown = table("version", "", "created", "artifact", "digest")
    roles = {route["stable"]: "stable", route["candidate"]: "candidate"} if route else {}
    for version in reversed(published):
        shown.add_row(
            version["version"],
            roles.get(version["version"], ""),
            version["created"][:19],
            f"{version['artifact_bytes']:,} B",
            version["digest"][:12],
        )
    return shown


def rollouts(value: Sequence[Value]) -> RenderableType:
    """Render rollouts, newest first, with their reasons."""
    shown = table("rollout", "status", "reason")
    for rollout in value:
        shown.add_row(rollout["rollout"], progress(rollout), rollout["reason"])
    return shown


def progress(value: Value) -> Text:
    """Render a rollout's status and, while it runs, its step and percent."""
    if value["status"] != "running":
        return status(value["status"])
    percent = f" {value['percent']} %" if value["step"] == "canary" else ""
    paused = ", paused" if value["paused"] else ""
    return status("running") + Text(f": {value['step']}{percent}{paused}")


def created_key(value: Value) -> RenderableType:
    """Render a new key, the only time it is shown."""
    return lines(
        Text(value["key"], style="bold"),
        f"id {value['id']}, for {scope(value['models'])}; the key is shown once and stored nowhere",
        f"{value['rate_per_minute']} async requests a minute; callbacks are signed with",
        value["callback_secret"],
    )


def keys(value: Value) -> RenderableType:
    """Render API keys."""
    if not value["keys"]:
        return Text("no API keys yet: `serval keys create NAME` makes one")
    shown = table("id", "name", "models", "a minute", "created", "last used", "revoked")
    for key in value["keys"]:
        shown.add_row(
            key["id"],
            key["name"],
            scope(key["models"]),
            str(key["rate_per_minute"]),
            key["created"][:10],
            key["last_used"] or "never",
            key["revoked"] or "",
        )
    return shown


def scope(models: Sequence[str]) -> str:
    """Name the models that a key may call."""
    return "all models" if "*" in models else ", ".join(models)


def revoked_key(value: Value) -> RenderableType:
    """Confirm that a key is revoked."""
    return Text(f"key {value['id']} ({value['name']}) is revoked since {value['revoked']}")


def inference(value: Value) -> RenderableType:
    """Render an inference response."""
    answered = f"{value.get('model_name')} version {value.get('model_version', 'unknown')}"
    shown = table("output", "datatype", "shape", "data")
    for output in value.get("outputs", []):
        data = arrays.preview(output["shape"], output.get("data"))
        shown.add_row(output["name"], output["datatype"], str(output["shape"]), data)
    return Group(Text(answered), shown)


def text_answer(value: Value) -> RenderableType:
    """Render an inference response as lines of text, or as tensors if it is not text."""
    outputs = value.get("outputs", [])
    if not all(arrays.is_text(output["datatype"], output.get("data")) for output in outputs):
        return inference(value)
    return lines(
        *(
            text
            for one in outputs
            for text in arrays.read_texts(one["shape"], one["datatype"], one["data"])
        )
    )


def invocation(value: Value) -> RenderableType:
    """Render a function's answer and log."""
    failed = Text(f"{value['function']} failed: {value['error']}", style="red")
    return lines(
        failed if value["error"] else None,
        json.dumps(value["response"], indent=2),
        Text(f"log of {value['function']}, its end:", style="bold"),
        value["log"].rstrip() or "nothing",
    )
