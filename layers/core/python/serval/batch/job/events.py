"""Events of batch jobs: one for every recorded state.

``python -m serval.batch.job.events`` prints the JSON Schema, docs/batch-event.schema.json.
"""

import json
from typing import Any, get_args

from serval.batch.job.job import BatchJob, Origin, Status
from serval.models.state_events import OPTIONAL_TEXT, REASON_LIMIT, detail_schema

DETAIL_TYPE = "serval.batch"
COUNT = {"type": "integer", "minimum": 0}
PROPERTIES: dict[str, dict[str, Any]] = {
    "job": {"type": "string", "description": "Id of the job."},
    "model": {"type": "string", "description": "The model that answers."},
    "version": {
        **OPTIONAL_TEXT,
        "description": "Its version, which stays; null before the job is accepted.",
    },
    "status": {"enum": list(get_args(Status)), "description": "Where the job stands."},
    "origin": {"enum": list(get_args(Origin)), "description": "What started it."},
    "schedule": {**OPTIONAL_TEXT, "description": "Name of the schedule that started it."},
    "output": {"type": "string", "description": "Address of the prefix of everything it writes."},
    "attempt": {"type": "integer", "minimum": 1, "description": "1, and one more each retry."},
    "shards": {**COUNT, "description": "0 before it is planned."},
    "rows": {**COUNT, "description": "Rows that were answered; 0 before it has ended."},
    "rejected": {**COUNT, "description": "Records that were rejected; 0 before it has ended."},
    "reason": {
        "type": "string",
        "maxLength": REASON_LIMIT,
        "description": "Why it failed, or why it is ending.",
    },
    "updated": {
        "type": "string",
        "format": "date-time",
        "description": "When this was recorded; later states of a job have later times.",
    },
}


def event_detail(job: BatchJob) -> dict[str, Any]:
    """Return the ``detail`` of a job's event."""
    return {
        "job": job.id,
        "model": job.model,
        "version": job.version,
        "status": job.status,
        "origin": job.origin,
        "schedule": job.name or None,
        "output": job.output,
        "attempt": job.attempt,
        "shards": job.shards,
        "rows": job.rows,
        "rejected": job.rejected,
        "reason": (job.error or job.stop_reason or "")[:REASON_LIMIT],
        "updated": job.updated,
    }


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of ``detail``."""
    return detail_schema(DETAIL_TYPE, PROPERTIES)


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=2))
