"""Operations of batch jobs: start, follow, end, download."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlencode

from serval.client.asking import Asking, pause_within
from serval.client.documents import ENDED, JobDocument
from serval.client.download import SILENT, Downloading, DownloadProgress
from serval.client.failures import NotEnded, NotSucceeded, retry_after_seconds
from serval.client.steps import Call, Flow, Item, ItemFlow, Pause

LOOK_SECONDS = 1.0


@dataclass
class JobFlows(Downloading, Asking):
    """What a caller asks of batch jobs."""

    def start_job(
        self,
        model: str,
        source: str | Sequence[str],
        *,
        output: str | None = None,
        options: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> Flow[JobDocument]:
        """Start a batch job, once, however often the call has to be sent.

        Parameters
        ----------
        source
            ``s3://bucket/key``, a prefix that ends in ``/``, or a list of addresses.
        output
            Prefix to write under; by default one of the stage's own.
        options
            As the API takes them.
        key
            A text of your own: starting the same again under it finds the job that there is.
        """
        headers = {"idempotency-key": key or uuid.uuid4().hex}
        body = job_body(source, output, options)
        found = yield from self.read(Call.with_json("POST", start_path(model), body, headers))
        return cast(JobDocument, found)

    def preview_job(
        self,
        model: str,
        source: str | Sequence[str],
        *,
        output: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Flow[dict[str, Any]]:
        """Estimate what a batch job would take; nothing is started."""
        path = f"{start_path(model)}?dry_run=true"
        return self.read(Call.with_json("POST", path, job_body(source, output, options)))

    def job(self, job_id: str) -> Flow[JobDocument]:
        """Look at a batch job."""
        found = yield from self.read(Call("GET", job_path(job_id)))
        return cast(JobDocument, found)

    def jobs(self, *, model: str | None = None, limit: int = 20) -> Flow[list[JobDocument]]:
        """List the newest batch jobs, at most 100, of one model or of all."""
        chosen = {"limit": str(limit), **({} if model is None else {"model": model})}
        found = yield from self.read(Call("GET", f"/batch/jobs?{urlencode(chosen)}"))
        return cast(list[JobDocument], found["jobs"])

    def follow_job(self, job_id: str) -> ItemFlow[JobDocument]:
        """Look at a batch job until it has ended, and yield what every look finds."""
        while True:
            found, reply = yield from self.ask(Call("GET", job_path(job_id)), follows=True)
            yield Item(cast(JobDocument, found))
            if found["status"] in ENDED:
                return
            yield Pause(retry_after_seconds(reply) or LOOK_SECONDS)

    def wait_job(self, job_id: str, *, timeout_seconds: float | None = None) -> Flow[JobDocument]:
        """Wait until a batch job has succeeded; ``timeout_seconds`` is as in ``wait``.

        Raises
        ------
        NotSucceeded
            If it failed or was cancelled.
        NotEnded
            If the time is over; the job goes on.
        """
        left = timeout_seconds
        while True:
            found, reply = yield from self.ask(Call("GET", job_path(job_id)), follows=True)
            if found["status"] == "succeeded":
                return cast(JobDocument, found)
            if found["status"] in ENDED:
                raise NotSucceeded("batch job", found)
            pause = retry_after_seconds(reply) or LOOK_SECONDS
            over = f"batch job {job_id} is {found['status']}, and goes on"
            left = yield from pause_within(left, pause, over)

    def cancel_job(self, job_id: str) -> Flow[JobDocument]:
        """End a batch job; what was done stays."""
        found = yield from self.read(Call("DELETE", job_path(job_id)))
        return cast(JobDocument, found)

    def retry_job(self, job_id: str) -> Flow[JobDocument]:
        """Run what a failed or cancelled batch job has not done."""
        found = yield from self.read(Call("POST", job_path(job_id) + "/retry", repeatable=False))
        return cast(JobDocument, found)

    def download_job(
        self, job_id: str, folder: Path | str, *, progress: DownloadProgress = SILENT
    ) -> Flow[list[Path]]:
        """Download the files that a batch job left; a file that is there in part is gone on with.

        Returns
        -------
        list[Path]
            The files below ``folder``, each whole.

        Raises
        ------
        NotEnded
            If the job has not ended.
        """
        found = yield from self.job(job_id)
        if found["status"] not in ENDED:
            raise NotEnded(
                f"batch job {job_id} is {found['status']}: its files are there once it has ended"
            )
        return (yield from self.download(found.get("results") or [], folder, progress=progress))


def job_body(
    source: str | Sequence[str], output: str | None, options: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Build what is asked of a batch job."""
    body: dict[str, Any] = {"input": source if isinstance(source, str) else list(source)}
    if options:
        body["options"] = dict(options)
    if output is not None:
        body["output"] = output
    return body


def start_path(model: str) -> str:
    """Build the path under which a model's jobs are started."""
    return f"/batch/models/{quote(model, safe='')}/jobs"


def job_path(job_id: str) -> str:
    """Build the path of a batch job."""
    return f"/batch/jobs/{quote(job_id, safe='')}"
