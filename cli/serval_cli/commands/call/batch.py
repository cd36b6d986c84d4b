"""``serval batch``: start, follow and end batch jobs."""

import json
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.live import Live

from serval_cli.api.batch import BatchApi, Job
from serval_cli.api.batch_download import BatchDownload
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
from serval_cli.api.http import TIMEOUT_SECONDS, check_model_name
from serval_cli.bundle.upload import Bucket
from serval_cli.failures import CommandFailed
from serval_cli.json_files import read_json
from serval_cli.options import ApiKeyOption, JsonOption, ModelArgument, StageOption, new_app
from serval_cli.output import note, results, show
from serval_cli.stages.stage import Stage, find_stage
from serval_cli.steering.batch_watch import SILENCE_SECONDS, JobLines, JobWatch, is_running
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
    body: dict[str, Any] = {
        "options": merge_options(
            {} if options is None else read_json(options),
            own,
            {"format": output_format, "join": join},
        ),
        **({} if output is None else {"output": output}),
    }
    found = find_stage(stage, writes=True)
    api = api_of(found, api_key)
    body["input"] = locate_input(found, api, model, source)
    if dry_run:
        show(api.start(model, body, dry_run=True), batch_views.preview, as_json=as_json)
        return
    show_or_follow(api, api.start(model, body), watch=watch, as_json=as_json)


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
    api = api_of(find_stage(stage), api_key)
    show_or_follow(api, api.job(job), watch=True, as_json=as_json)


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
    api = api_of(find_stage(stage), api_key)
    show({"jobs": api.jobs(model, limit)}, batch_views.jobs, as_json=as_json)


@app.command("show")
def show_job(
    job: JobArgument,
    api_key: ApiKeyOption = None,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a batch job: what it reads and writes, how far it is, why it failed."""
    api = api_of(find_stage(stage), api_key)
    show(api.job(job), batch_views.job, as_json=as_json)


@app.command()
def cancel(
    job: JobArgument,
    api_key: ApiKeyOption = None,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a batch job; its summary says what was done, and a retry does the rest."""
    api = api_of(find_stage(stage, writes=True), api_key)
    show(api.cancel(job), batch_views.job, as_json=as_json)


@app.command()
def retry(
    job: JobArgument,
    watch: WatchOption = False,
    api_key: ApiKeyOption = None,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run what a failed or cancelled batch job has not done, with the version of its start."""
    api = api_of(find_stage(stage, writes=True), api_key)
    show_or_follow(api, api.retry(job), watch=watch, as_json=as_json)


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
    found = find_stage(stage)
    listed = list_results(api_of(found, api_key).job(job))
    with transfer("download") as (began, came), open_files_client(found) as client:
        files = BatchDownload(client, to or Path(job), began, came).fetch(listed)
    show({"job": job, "files": files}, batch_views.downloads, as_json=as_json)


def open_files_client(stage: Stage) -> httpx.Client:
    """Open a client for presigned URLs, which must not carry the API key."""
    return httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=stage.local is None)


def list_results(job: Job) -> list[dict[str, str]]:
    """Return the files of a job that has ended.

    Raises
    ------
    CommandFailed
        If the job has not ended, left no file that the key may read, or has more files than the API
        lists.
    """
    if is_running(job):
        raise CommandFailed(f"job {job['id']} is {job['status']}: `serval batch watch` follows it")
    listed: list[dict[str, str]] = job.get("results") or []
    if not listed:
        raise CommandFailed(
            f"job {job['id']} has {job['status']} and left nothing that this key may read"
        )
    if len(listed) > MOST_FILES:
        raise CommandFailed(
            f"job {job['id']} has over {MOST_FILES:,} files: copy them from {job['output']}"
        )
    return listed


def api_of(stage: Stage, api_key: str | None) -> BatchApi:
    """Open the batch API of a stage with the caller's key."""
    return BatchApi.of(stage.api_url, stage.api_key(api_key), trust_environment=stage.local is None)


def locate_input(stage: Stage, api: BatchApi, model: str, source: str) -> str:
    """Return the ``s3://`` address of an input, uploading a local one once the model is known."""
    check_model_name(model)
    if source.startswith(REMOTE):
        return source
    found = LocalInput.find(source)
    api.jobs(model, 1)
    return found.upload(Bucket(stage.client("s3"), stage.payloads.bucket), model)


def show_or_follow(api: BatchApi, job: Job, *, watch: bool, as_json: bool) -> None:
    """Show a job, or follow it until it ends."""
    if not watch:
        show(job, batch_views.job, as_json=as_json)
        return
    ended = follow(api, job["id"], as_json=as_json)
    if is_running(ended):
        note(f"job {ended['id']} has not moved for {SILENCE_SECONDS / 60:.0f} minutes")
    if ended["status"] != "succeeded":
        raise typer.Exit(1)


def follow(api: BatchApi, job_id: str, *, as_json: bool) -> Job:
    """Follow a job: live on a terminal, else a line per change; Ctrl-C leaves it running."""
    console = results()
    try:
        if as_json:
            lines = JobLines(lambda job: typer.echo(json.dumps(job)))
            return JobWatch(lambda: api.job(job_id), lines.report).end()
        if not console.is_terminal:
            lines = JobLines(lambda job: typer.echo(batch_views.line(job)))
            ended = JobWatch(lambda: api.job(job_id), lines.report).end()
        else:
            with Live(console=console) as live:
                ended = JobWatch(
                    lambda: api.job(job_id),
                    lambda job: live.update(batch_views.live(job), refresh=True),
                ).end()
    except KeyboardInterrupt:
        note(f"the job goes on: `serval batch watch {job_id}` follows it again")
        raise
    console.print(batch_views.job(ended), soft_wrap=True)
    return ended
