"""Batch jobs over HTTP, as a client of the API."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from serval_cli.api.http import HttpApi

Job = dict[str, Any]
"""What ``GET /batch/jobs/{id}`` answers."""
ENDED = frozenset({"succeeded", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class BatchApi(HttpApi):
    """Starts batch jobs, looks at them, ends them."""

    def start(self, model: str, body: Any, *, dry_run: bool = False) -> Job:
        """Start a job; or only say what it would take."""
        query = "?dry_run=true" if dry_run else ""
        started: Job = self.ask("POST", f"/batch/models/{quote(model)}/jobs{query}", body).json()
        return started

    def jobs(self, model: str | None, limit: int) -> list[Job]:
        """List jobs of a model, or of all, the newest first."""
        chosen = {"limit": str(limit), **({} if model is None else {"model": model})}
        found: list[Job] = self.ask("GET", f"/batch/jobs?{urlencode(chosen)}").json()["jobs"]
        return found

    def job(self, job_id: str) -> Job:
        """Give a job."""
        return self._of("GET", job_id)

    def cancel(self, job_id: str) -> Job:
        """Ask for a job's end."""
        return self._of("DELETE", job_id)

    def retry(self, job_id: str) -> Job:
        """Queue what a job has not done."""
        return self._of("POST", job_id, "/retry")

    def _of(self, method: str, job_id: str, more: str = "") -> Job:
        found: Job = self.ask(method, f"/batch/jobs/{quote(job_id, safe='')}{more}").json()
        return found
