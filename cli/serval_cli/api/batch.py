"""A client of the API's batch endpoints."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from serval_cli.api.http import HttpApi

Job = dict[str, Any]
"""The reply to ``GET /batch/jobs/{id}``."""
ENDED = frozenset({"succeeded", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class BatchApi(HttpApi):
    """Starts, lists, cancels and retries batch jobs."""

    def start(self, model: str, body: Any, *, dry_run: bool = False) -> Job:
        """Start a job, or only estimate it."""
        query = "?dry_run=true" if dry_run else ""
        started: Job = self.ask("POST", f"/batch/models/{quote(model)}/jobs{query}", body).json()
        return started

    def jobs(self, model: str | None, limit: int) -> list[Job]:
        """List the newest jobs, of one model or of all."""
        chosen = {"limit": str(limit), **({} if model is None else {"model": model})}
        found: list[Job] = self.ask("GET", f"/batch/jobs?{urlencode(chosen)}").json()["jobs"]
        return found

    def job(self, job_id: str) -> Job:
        """Fetch a job."""
        return self._of("GET", job_id)

    def cancel(self, job_id: str) -> Job:
        """Ask the stage to cancel a job."""
        return self._of("DELETE", job_id)

    def retry(self, job_id: str) -> Job:
        """Queue the shards that a job has not finished."""
        return self._of("POST", job_id, "/retry")

    def _of(self, method: str, job_id: str, more: str = "") -> Job:
        found: Job = self.ask(method, f"/batch/jobs/{quote(job_id, safe='')}{more}").json()
        return found
