"""Schemas of batch jobs: what starts one, and its document."""

from typing import get_args

from serval.batch.input.columns import By
from serval.batch.job.job import Origin, Status
from serval.batch.job.options_schema import OPTIONS
from serval.batch.start.job_request import MOST_INPUTS
from serval.openapi.schemas import (
    COUNT,
    MOMENT,
    NAME,
    TEXT,
    VERSION,
    Schema,
    list_of,
    nullable,
    object_of,
    open_object_of,
    reference,
    with_optional,
)

JOB_ID: Schema = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9-]{0,63}$"}
ADDRESS: Schema = {
    "type": "string",
    "pattern": "^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/",
    "description": "`s3://bucket/key`, or a prefix of keys, which ends in `/`.",
}
INPUT: Schema = {
    "anyOf": [
        ADDRESS,
        {"type": "array", "items": ADDRESS, "minItems": 1, "maxItems": MOST_INPUTS},
    ]
}
NUMBER: Schema = {"type": "number", "minimum": 0}
COLUMNS: Schema = {
    **list_of(
        object_of(input=TEXT, columns=list_of(TEXT), by={"enum": list(get_args(By))}),
    ),
    "description": "Of a table: which columns fill which input, of many the first, and whether "
    "they were found by `name`, by name but for capital letters (`case`), as the job chose them "
    "(`columns`) or in order (`position`). Empty: it is no table, or not planned yet.",
}
FIRST: Schema = {
    **list_of(nullable(TEXT)),
    "description": "Of CSV: what the first record has in these columns, cut where it is long; null "
    "where that is not known.",
}
PREVIEWED_COLUMNS: Schema = {**COLUMNS, "items": with_optional(COLUMNS["items"], first=FIRST)}
ESTIMATE: Schema = object_of(
    format={**TEXT, "description": "Of the input, with its compression: `csv`, `jsonl.gzip`, …"},
    files=COUNT,
    input_bytes=COUNT,
    rows=COUNT,
    exact_rows={"type": "boolean", "description": "Whether the rows were counted."},
    seconds=COUNT,
    cost_usd=NUMBER,
)
JOB: Schema = open_object_of(
    {
        "id": JOB_ID,
        "status": {"enum": list(get_args(Status))},
        "model": NAME,
        "version": {**nullable(VERSION), "description": "Null: it has not begun yet."},
        "origin": {"enum": list(get_args(Origin))},
        "input": INPUT,
        "output": {**nullable(ADDRESS), "description": "Null: it was refused before it had one."},
        "created": MOMENT,
        "started": nullable(MOMENT),
        "finished": nullable(MOMENT),
        "attempt": {"type": "integer", "minimum": 1},
        "error": {**nullable(TEXT), "description": "Why it failed, or is going to."},
        "shards": COUNT,
        "columns": COLUMNS,
        "estimate": {"anyOf": [ESTIMATE, {"type": "null"}]},
        "shards_done": nullable(COUNT),
        "rows": nullable(COUNT),
        "rejected": nullable(COUNT),
        "rows_per_second": nullable(NUMBER),
        "percent": {**nullable(NUMBER), "description": "Of the input's bytes."},
        "seconds_left": nullable(COUNT),
        "cost_usd": {
            **nullable(NUMBER),
            "description": "So far, by the dated price tables; a fleet's machines while they work.",
        },
    },
    schedule={**TEXT, "description": "The schedule that started it."},
    step_versions={
        "type": "object",
        "additionalProperties": list_of(VERSION),
        "description": "Of a pipeline: the versions that each step asked, several if a rollout "
        "ended meanwhile. There once a shard has told.",
    },
    cancel_requested={"const": True},
    results={
        **list_of(object_of(name=TEXT, url={"type": "string", "format": "uri"})),
        "description": "What a job that has ended has left under its output prefix; each URL reads "
        "an object, for an hour at most. Only in the document of one job.",
    },
)

SCHEMAS: dict[str, Schema] = {
    "BatchOptions": OPTIONS,
    "BatchRequest": {
        **object_of(
            input=INPUT,
            output={
                **ADDRESS,
                "description": "Prefix; {date}, {time}, {model}, {job} are filled in.",
            },
            options=reference("BatchOptions"),
        ),
        "required": ["input"],
    },
    "BatchJob": JOB,
    "BatchPreview": object_of(
        dry_run={"const": True},
        model=NAME,
        version=VERSION,
        input=INPUT,
        output=ADDRESS,
        files=COUNT,
        input_bytes=COUNT,
        rows=COUNT,
        exact_rows={"type": "boolean"},
        shards=COUNT,
        columns=PREVIEWED_COLUMNS,
        seconds=COUNT,
        cost_usd=NUMBER,
    ),
    "BatchJobs": object_of(jobs=list_of(reference("BatchJob"))),
}
