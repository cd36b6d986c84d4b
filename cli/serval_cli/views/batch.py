"""Render batch jobs."""

from itertools import zip_longest

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from serval_cli.views.fleets import duration, shorten
from serval_cli.views.models import Value, bullets, lines, status
from serval_cli.views.table import table

BAR_COLUMNS = 40
FOUND = {
    "name": "by name",
    "case": "by name, but for capital letters",
    "columns": "as chosen",
    "position": "by position",
}
"""How a column was matched → words for it."""


def job(value: Value) -> RenderableType:
    """Render everything known about a job."""
    return lines(
        Text(value["id"], style="bold"),
        Text(f"{value['model']}{version(value)}: ")
        + status(value["status"])
        + Text(cancellation(value)),
        bullets(value["error"] or ""),
        f"{addresses(value['input'])} → {value['output']}",
        *columns(value),
        steps(value),
        counts(value) if value["shards"] else None,
        estimate(value["estimate"]) if value["estimate"] else None,
        f"started by {origin(value)} {to_the_second(value['created'])}"
        + (f", finished {to_the_second(value['finished'])}" if value["finished"] else ""),
        hint(value),
    )


def version(value: Value) -> str:
    """Name the version that the job runs."""
    return f" version {value['version']}" if value["version"] else ""


def steps(value: Value) -> str | None:
    """Name the versions that the steps of a pipeline asked."""
    if "step_versions" not in value:
        return None
    asked = (f"{step} {', '.join(versions)}" for step, versions in value["step_versions"].items())
    return f"versions of its steps: {'; '.join(asked)}"


def cancellation(value: Value) -> str:
    """Mention a cancellation that has not taken effect yet."""
    return (
        ", asked to be cancelled" if value.get("cancel_requested") and not value["finished"] else ""
    )


def origin(value: Value) -> str:
    """Name what started a job."""
    if "schedule" in value:
        return f"schedule {value['schedule']}"
    return {"upload": "an upload", "api": "the API"}.get(value["origin"], str(value["origin"]))


def addresses(value: str | list[str]) -> str:
    """Render the input's addresses."""
    if isinstance(value, str):
        return value
    return f"{value[0]} and {len(value) - 1} more"


def to_the_second(text: str) -> str:
    """Render a time to the second."""
    return text[:19].replace("T", " ")


def counts(value: Value) -> str:
    """Summarise a job's progress in a line."""
    parts = [
        f"{number(value['shards_done'])}/{value['shards']:,} shards",
        f"{number(value['rows'])} rows",
        f"{value['rows_per_second']:,.0f} rows/s" if value["rows_per_second"] else None,
        f"{value['rejected']:,} rejected" if value["rejected"] is not None else None,
        f"{duration(value['seconds_left'])} left" if value["seconds_left"] is not None else None,
        dollars(value["cost_usd"]) if value["cost_usd"] is not None else None,
    ]
    return ", ".join(part for part in parts if part)


def number(value: int | None) -> str:
    """Render a count."""
    return "?" if value is None else f"{value:,}"


def dollars(value: float) -> str:
    """Render a cost, with more digits if it is small."""
    return f"${value:,.2f}" if value >= 1 else f"${value:.4f}"


def estimate(value: Value) -> str:
    """Render the estimate made before the job started."""
    rows = f"{'' if value['exact_rows'] else 'about '}{value['rows']:,} rows"
    files = "a file" if value["files"] == 1 else f"{value['files']:,} files"
    return (
        f"planned: {files} ({value['format']}), {value['input_bytes']:,} bytes, {rows}, "
        f"{duration(value['seconds'])}, {dollars(value['cost_usd'])}"
    )


def hint(value: Value) -> str | None:
    """Suggest the next command."""
    if not value["finished"]:
        return f"`serval batch watch {value['id']}` follows it"
    if value["status"] == "succeeded":
        return f"`serval batch download {value['id']}` fetches what it wrote"
    return f"`serval batch retry {value['id']}` runs what was not done"


def downloads(value: Value) -> RenderableType:
    """List the downloaded files."""
    return lines(*(f"{file['path']}  {file['size_bytes']:,} bytes" for file in value["files"]))


def jobs(value: Value) -> RenderableType:
    """Render jobs, newest first."""
    if not value["jobs"]:
        return Text("no batch jobs: `serval batch run MODEL INPUT` starts one")
    shown = table("job", "model", "status", "started by", "created", "rows", "rejected", "error")
    for each in value["jobs"]:
        shown.add_row(
            each["id"],
            f"{each['model']}{':' + each['version'] if each['version'] else ''}",
            status(each["status"]),
            origin(each),
            to_the_second(each["created"]),
            "" if each["rows"] is None else f"{each['rows']:,}",
            "" if each["rejected"] is None else f"{each['rejected']:,}",
            shorten(each["error"] or ""),
        )
    return shown


def preview(value: Value) -> RenderableType:
    """Render the estimate of a job that was not started."""
    rows = f"{'' if value['exact_rows'] else 'about '}{value['rows']:,} rows"
    files = "1 file" if value["files"] == 1 else f"{value['files']:,} files"
    shards = "1 shard" if value["shards"] == 1 else f"{value['shards']:,} shards"
    return lines(
        Text(f"{value['model']} version {value['version']}: nothing was started"),
        f"{addresses(value['input'])} → {value['output']}",
        f"{files}, {value['input_bytes']:,} bytes, {rows}, {shards}",
        f"{duration(value['seconds'])}, {dollars(value['cost_usd'])}",
        *columns(value),
    )


def columns(value: Value) -> list[str]:
    """Render the columns of each input, with their values in the first record."""
    return [
        f"{each['input']} ← {', '.join(pair_values(each))} ({FOUND[each['by']]}"
        + ("; values of the first record)" if each.get("first") else ")")
        for each in value["columns"]
    ]


def pair_values(match: Value) -> list[str]:
    """Pair columns with their known values."""
    pairs = zip_longest(match["columns"], match.get("first") or [])
    return [name if text is None else f"{name}={' '.join(text.split())}" for name, text in pairs]


def live(value: Value) -> RenderableType:
    """Render the progress of a running job."""
    head = (
        Text(f"{value['model']} {value['id']}  ")
        + status(value["status"])
        + Text(cancellation(value))
    )
    if not value["shards"]:
        return head
    row = Table.grid(padding=(0, 1))
    row.add_row(
        ProgressBar(total=100, completed=percent(value), width=BAR_COLUMNS),
        f"{percent(value):3.0f} %",
        counts(value),
    )
    return Group(head, *map(Text, columns(value)), row)


def percent(value: Value) -> float:
    """Return the progress by bytes of input, or by shards if that is unknown."""
    if value["percent"] is not None:
        return float(value["percent"])
    return 100 * float(value["shards_done"] or 0) / int(value["shards"])


def line(value: Value) -> str:
    """Render a job's state in a line."""
    said = str(value["status"]) + cancellation(value)
    if value["shards"]:
        said += f": {counts(value)}"
    return said + (f"; {' '.join(value['error'].split())}" if value["error"] else "")
