"""``summary.json``: what a job was and what it did, however it ended."""

import json
from datetime import datetime
from typing import Any

from serval.batch.job.cost import PRICES, actual
from serval.batch.job.job import BatchJob
from serval.batch.job.keys import Address
from serval.batch.job.tally import ShardTally

LISTED_SHARDS = 100
MICRO = 1e6


def summary(
    job: BatchJob, tally: ShardTally, output: Address | None, errors: Address | None
) -> dict[str, Any]:
    """Return the summary of a job that has ended.

    Parameters
    ----------
    output
        The one file, or the prefix of the parts; None if there is no complete output.
    errors
        The one file of rejected records; None if there is none.
    """
    done = {record.index for record in tally.done}
    missing = [index for index in range(job.shards) if index not in done]
    return {
        "job": job.id,
        "model": job.model,
        "version": job.version,
        "versions": sorted({record.version for record in tally.done}) or [job.version],
        "status": job.status,
        "error": job.error,
        "origin": job.origin,
        "schedule": job.name or None,
        "input": job.input[0] if len(job.input) == 1 else list(job.input),
        "files": job.files,
        "input_bytes": job.input_bytes,
        "columns": list(job.columns),
        "output": str(output) if output else None,
        "errors": str(errors) if errors else None,
        "rows": job.rows,
        "rejected": job.rejected,
        "reasons": tally.reasons,
        "shards": job.shards,
        "shards_done": job.shards_done,
        "shards_missing": missing[:LISTED_SHARDS],
        "attempts": job.attempt,
        "options": job.options.to_json(),
        "created": job.created,
        "started": job.started,
        "finished": job.finished,
        "seconds": seconds(job, tally),
        "cost": {
            "estimated_usd": job.estimated_microdollars / MICRO,
            "actual_usd": job.microdollars / MICRO,
            "machines_usd": machines_usd(job, tally),
            "prices": PRICES.dated,
        },
    }


def machines_usd(job: BatchJob, tally: ShardTally) -> float | None:
    """Return the cost of a fleet's machines for the job; None if their price is unknown."""
    used = actual(job, tally.records)
    if used.machine_seconds and not job.machine_microdollars_hour:
        return None
    return round(used.machine_microdollars / MICRO, 6)


def seconds(job: BatchJob, tally: ShardTally) -> dict[str, float | None]:
    """Return the time that passed, and the time that the functions took together."""
    return {
        "total": seconds_between(job.started, job.finished),
        "plan": job.plan_ms / 1e3,
        "scans": job.scan_ms / 1e3,
        "shards": job.busy_ms / 1e3,
        "model": sum(record.run_ms for record in tally.records) / 1e3,
        "assemble": job.assemble_ms / 1e3,
    }


def written(
    job: BatchJob, tally: ShardTally, output: Address | None, errors: Address | None
) -> bytes:
    """Return the bytes of ``summary.json``."""
    return json.dumps(summary(job, tally, output, errors), indent=2).encode()


def seconds_between(started: str | None, finished: str | None) -> float | None:
    """Return the seconds between two times; None if one of them is missing."""
    if started is None or finished is None:
        return None
    passed = datetime.fromisoformat(finished) - datetime.fromisoformat(started)
    return round(passed.total_seconds(), 3)
