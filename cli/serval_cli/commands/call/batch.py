"""``serval batch``: start, follow and end batch jobs."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.live import Live

from serval.client import Client, DownloadProgress, JobDocument
from serval.client.documents import JobFile
from serval_cli.api.batch_input import REMOTE, LocalInput
from serval_cli.api.batch_options import (
    ColumnsOption,
    ConcurrencyOption,
    FormatOption,
    JoinOption,
    OptionsOption,
    OutputFormatOption,
    OutputOption,
    PositionalOption,
    RejectedOption,
    SourceArgument,
    merge_options,
    read_columns,
)
from serval_cli.api.calls import check_model_name, open_client
from serval_cli.bundle.upload import Bucket
from serval_cli.failures import CommandFailed
from serval_cli.json_files import read_json
from serval_cli.options import ApiKeyOption, JsonOption, ModelArgument, StageOption, new_app
from serval_cli.output import note, results, show
from serval_cli.stages.stage import Stage, find_stage
from serval_cli.steering.batch_watch import SILENCE_SECONDS, JobLines, is_running, watch_job
from serval_cli.views import batch as batch_views
from serval_cli.views.transfers import transfer

MOST_LISTED = 100
MOST_FILES = 1_000
"""The API lists this many files, plus the summary."""

JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="As `serval batch run` prints it.")]
WatchOption = Annotated[
    bool, typer.Option("--watch", help="Go on until the job ends; 0 only if it succeeded.")
]

app = new_app("Start and follow batch jobs.")


@app.command()
def run(
    model: ModelArgument,
    source: SourceArgument,
    output: OutputOption = None,
    input_format: FormatOption = None,
    output_format: OutputFormatOption = None,
    join: JoinOption = False,
    columns: ColumnsOption = None,
    positional: PositionalOption = False,
    concurrency: ConcurrencyOption = None,
    max_rejected_percent: RejectedOption = None,
    options: OptionsOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what it would take.")
    ] = False,
    watch: WatchOption = False,
    api_key: ApiKeyOption = None,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start a batch job, or only estimate it.

    INPUT is a file or a prefix in S3, or a file or folder on this machine, which is uploaded first.
    """
    own = {
        "format": input_format,
        "columns": read_columns(columns or ()),
        "positional": positional,
        "concurrency": concurrency,
        "max_rejected_percent": max_rejected_percent,
    }
    chosen = merge_options(
        {} if options is None else read_json(options), own, {"format": output_format, "join": join}
    )
    found = find_stage(stage, writes=True)
    client = open_client(found, api_key)
    address = locate_input(found, client, model, source)
    if dry_run:
        preview = client.preview_job(model, address, output=output, options=chosen)
        show(preview, batch_views.preview, as_json=as_json)
        return
    started = client.start_job(model, address, output=output, options=chosen)
    show_or_follow(client, started, watch=watch, as_json=as_json)


@app.command()
def watch(
    job: JobArgument,
    api_key: ApiKeyOption = None,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Follow a job until it ends: shards, rows, rejected, time left, cost so far.

    Exit code 0 only if it succeeded.
    """
    client = open_client(find_stage(stage), api_key)
    show_or_follow(client, client.job(job), watch=True, as_json=as_json)


@app.command("list")
def list_jobs(
    model: Annotated[
        str | None,
        typer.Argument(metavar="MODEL", show_default=False, help="Without it: all models."),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=MOST_LISTED, metavar="N", help="How many at most.")
    ] = 20,
    api_key: ApiKeyOption = None,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """List batch jobs, the newest first."""
    client = open_client(find_stage(stage), api_key)
    show({"jobs": client.jobs(model=model, limit=limit)}, batch_views.jobs, as_json=as_json)


@app.command("show")
def show_job(
    job: JobArgument,
    api_key: ApiKeyOption = None,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a batch job: what it reads and writes, how far it is, why it failed."""
    client = open_client(find_stage(stage), api_key)
    show(client.job(job), batch_views.job, as_json=as_json)


@app.command()
def cancel(
    job: JobArgument,
    api_key: ApiKeyOption = None,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a batch job; its summary says what was done, and a retry does the rest."""
    client = open_client(find_stage(stage, writes=True), api_key)
    show(client.cancel_job(job), batch_views.job, as_json=as_json)


@app.command()
def retry(
    job: JobArgument,
    watch: WatchOption = False,
    api_key: ApiKeyOption = None,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run what a failed or cancelled batch job has not done, with the version of its start."""
    client = open_client(find_stage(stage, writes=True), api_key)
    show_or_follow(client, client.retry_job(job), watch=watch, as_json=as_json)


@app.command()
def download(
    job: JobArgument,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="DIR", show_default=False, help="Else a folder named JOB."),
    ] = None,
    api_key: ApiKeyOption = None,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Download what a job has left: output, summary, rejected records.

    Each file appears whole. After an interruption, the same command continues where it stopped.
    """
    client = open_client(find_stage(stage), api_key)
    listed = list_results(client.job(job))
    with transfer("download") as (began, came):
        paths = client.download(listed, to or Path(job), progress=DownloadProgress(began, came))
    files = [
        {"name": file["name"], "path": str(path), "size_bytes": path.stat().st_size}
        for file, path in zip(listed, paths, strict=True)
    ]
    show({"job": job, "files": files}, batch_views.downloads, as_json=as_json)


def list_results(job: JobDocument) -> list[JobFile]:
    """Return the files of a job that has ended.

    Raises
    ------
    CommandFailed
        If the job has not ended, left no file that the key may read, or has more files than the API
        lists.
    """
    if is_running(job):
        raise CommandFailed(f"job {job['id']} is {job['status']}: `serval batch watch` follows it")
    listed = job.get("results") or []
    if not listed:
        raise CommandFailed(
            f"job {job['id']} has {job['status']} and left nothing that this key may read"
        )
    if len(listed) > MOST_FILES:
        raise CommandFailed(
            f"job {job['id']} has over {MOST_FILES:,} files: copy them from {job['output']}"
        )
    return listed


def locate_input(stage: Stage, client: Client, model: str, source: str) -> str:
    """Return the ``s3://`` address of an input, uploading a local one once the model is known."""
    check_model_name(model)
    if source.startswith(REMOTE):
        return source
    found = LocalInput.find(source)
    client.jobs(model=model, limit=1)
    return found.upload(Bucket(stage.client("s3"), stage.payloads.bucket), model)


def show_or_follow(client: Client, job: JobDocument, *, watch: bool, as_json: bool) -> None:
    """Show a job, or follow it until it ends."""
    if not watch:
        show(job, batch_views.job, as_json=as_json)
        return
    ended = follow(client, job["id"], as_json=as_json)
    if is_running(ended):
        note(f"job {ended['id']} has not moved for {SILENCE_SECONDS / 60:.0f} minutes")
    if ended["status"] != "succeeded":
        raise typer.Exit(1)


def follow(client: Client, job_id: str, *, as_json: bool) -> JobDocument:
    """Follow a job: live on a terminal, else a line per change; Ctrl-C leaves it running."""
    console = results()
    try:
        if as_json:
            lines = JobLines(lambda job: typer.echo(json.dumps(job)))
            return watch_job(client, job_id, lines.report)
        if not console.is_terminal:
            lines = JobLines(lambda job: typer.echo(batch_views.line(job)))
            ended = watch_job(client, job_id, lines.report)
        else:
            with Live(console=console) as live:
                ended = watch_job(
                    client,
                    job_id,
                    lambda job: live.update(batch_views.live(job), refresh=True),
                )
    except KeyboardInterrupt:
        note(f"the job goes on: `serval batch watch {job_id}` follows it again")
        raise
    console.print(batch_views.job(ended), soft_wrap=True)
    return ended
