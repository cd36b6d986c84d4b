"""Render rollouts and versions."""

from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from serval.rollouts.control import BY_HAND
from serval_cli.steering.rollout_state import milliseconds, percent
from serval_cli.views.models import Value, bullets, lines, progress, status, traffic
from serval_cli.views.table import table


def rollout(value: Value) -> RenderableType:
    """Render everything known about a rollout."""
    parts: list[RenderableType] = [
        lines(
            Text(f"{value['model']}: rollout {value['rollout']}", style="bold"),
            progress(value) + Text(f", recorded {value['updated'][:19]}"),
            compared_versions(value),
            steps(value),
            f"ends by {value['ends_by'][:16]} UTC at the latest" if value["ends_by"] else None,
            bullets(value["reason"]),
        )
    ]
    if value["metrics"]:
        parts.append(metrics(value))
    if value["golden"]:
        parts.append(Text(f"golden check: {golden(value['golden'])}"))
    if value["notes"]:
        parts.append(lines("notes:", bullets("\n".join(value["notes"]))))
    return Group(*parts)


def compared_versions(value: Value) -> str | None:
    """Name the versions that are compared."""
    if value["version"] is None:
        return None
    baseline = f", measured against version {value['baseline']}" if value["baseline"] else ""
    return f"version {value['version']}{baseline}"


def steps(value: Value) -> Text | None:
    """Render the canary steps, marking the current one."""
    if value["steps_percent"] is None:
        return None
    shown = Text("steps: ")
    for share in value["steps_percent"]:
        now = value["status"] == "running" and share == value["percent"]
        shown += Text(f"[{share} %]" if now else f"{share} %", style="bold" if now else "")
        shown += Text(" → ")
    return shown + Text("promoted", style="bold" if value["status"] == "promoted" else "")


def metrics(value: Value) -> RenderableType:
    """Render the metrics of both versions over the same window."""
    shown = table("track", "version", "requests", "errors", "error rate", "p50", "p95")
    for track in ("stable", "candidate"):
        measured = value["metrics"][track]
        shown.add_row(
            track,
            str(measured["version"]),
            f"{measured['requests']:,}",
            f"{measured['errors']:,}",
            percent(measured["error_percent"]),
            milliseconds(measured["p50_ms"]),
            milliseconds(measured["p95_ms"]),
        )
    window = value["metrics"]["window"]
    if window:
        return Group(shown, Text(f"metrics from {window['start'][:19]} to {window['end'][:19]}"))
    missing = "yet" if value["status"] == "running" else "when it ended"
    return Group(shown, Text(f"no metrics were complete {missing}"))


def golden(value: Value) -> str:
    """Summarise the golden check."""
    if value.get("form") is None and value.get("p50_ms") is None:
        return "nothing could be run; see the notes"
    largest = value.get("largest_difference")
    form = value.get("form")
    compared = (
        "answers were compared with nothing"
        if largest is None
        else f"largest difference {largest:.3g} in {value.get('requests')} requests"
    )
    if value.get("p50_ms") is None:
        return f"{compared}; latency and memory are its fleet's, and not measured; form {form}"
    return (
        f"{compared}; p50 {milliseconds(value.get('p50_ms'))}, "
        f"p95 {milliseconds(value.get('p95_ms'))}, {mebibytes(value.get('peak_memory_mib'))}, "
        f"best batch size {value.get('best_batch_size')}, form {form}"
    )


def mebibytes(value: float | None) -> str:
    """Render an amount of memory."""
    return "-" if value is None else f"{value:,.0f} MiB"


def steering(value: Value) -> RenderableType:
    """Render the outcome of steering a rollout, and the traffic now."""
    by_hand = str(value["rollout"]).startswith(BY_HAND) and value["status"] == "promoted"
    said = (
        Text(f"version {value['version']} of {value['model']} is stable again")
        if by_hand
        else Text(f"rollout {value['rollout']} of {value['model']}: ") + verdict(value)
    )
    return lines(
        said,
        f"traffic: {traffic(value['route'])}; "
        f"in effect everywhere within {value['effective_within_seconds']:g} s",
    )


def verdict(value: Value) -> Text:
    """Render a verdict with its reason."""
    version = f", version {value['version']}" if value["version"] else ""
    return status(value["status"]) + Text(f"{version}, {value['reason']}")


def pause_state(value: Value) -> RenderableType:
    """Render whether a rollout is paused."""
    model, rollout = value["model"], f"rollout {value['rollout']} of {value['model']}"
    if value["paused"]:
        return lines(
            f"{rollout} is paused: it takes no further step, but still backs out by itself",
            f"traffic: {traffic(value['route'])}; `serval rollout resume {model}` lets it go on",
        )
    return lines(f"{rollout} goes on", f"traffic: {traffic(value['route'])}")


def versions(value: Value) -> RenderableType:
    """Render the versions of a model, newest first."""
    shown = table(
        "version", "status", "created", "artifact", "forms", "p50", "p95", "memory", "digest"
    )
    for version in reversed(value["versions"]):
        measured = version["golden"] or {}
        shown.add_row(
            version["version"],
            version["status"],
            version["created"][:19],
            f"{version['artifact_bytes']:,} B",
            ", ".join(form["name"] for form in version["forms"]),
            milliseconds(measured.get("p50_ms")),
            milliseconds(measured.get("p95_ms")),
            mebibytes(measured.get("peak_memory_mib")),
            version["digest"][:12],
        )
    return shown


def comparison(value: Value) -> RenderableType:
    """Render two versions side by side."""
    old, new = f"version {value['old']}", f"version {value['new']}"
    same = "the same bytes" if value["same_bytes"] else None
    parts: list[RenderableType] = [
        lines(Text(f"{value['model']}: {old} → {new}", style="bold"), same),
        change_list("signature", value["signature"], "the same"),
        change_list("files", value["files"], "the same"),
    ]
    for title in ("compute", "settings", "golden", "sizes"):
        if changes := value[title]:
            parts.append(side_by_side(title, changes, old, new))
        else:
            parts.append(change_list(title, [], "the same"))
    return Group(*parts)


def change_list(title: str, changes: Sequence[str], none: str) -> Text:
    """Render changes as a list of words."""
    return lines(f"{title}:", bullets("\n".join(changes))) if changes else Text(f"{title}: {none}")


def side_by_side(title: str, changes: Sequence[Value], old: str, new: str) -> RenderableType:
    """Render values of both versions and their ratio."""
    shown = table(title, old, new, "")
    for change in changes:
        ratio = change["ratio"]
        times = f"{ratio:.3g} times" if ratio is not None and ratio != 1 else ""
        shown.add_row(change["name"], figure(change["old"]), figure(change["new"]), times)
    return shown


def figure(value: Any) -> str:
    """Render a value of a version."""
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,.0f}" if isinstance(value, int) or value >= 1000 else f"{value:.6g}"
