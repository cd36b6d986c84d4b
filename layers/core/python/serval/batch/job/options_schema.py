"""JSON Schema of the options of a batch job, for ``model.yaml`` and for the HTTP API.

``serval.batch.job.options`` reads the same; a test compares the two.
"""

from typing import Any

from serval.batch.job.options import (
    BYTES_FORMS,
    COMPRESSIONS,
    ENCODINGS,
    FORMATS,
    LARGEST_SHARD_BYTES,
    MOST_CONCURRENCY,
    OUTPUT_FORMATS,
    PARTITIONS,
    TIMES,
)

Schema = dict[str, Any]
ADDRESS = "^s3://"
DELIMITER = r"^[\x00-\x09\x0B\x0C\x0E-\x21\x23-\x7F]$"
"""One ASCII character other than a quote or a line ending."""
CHARACTER: Schema = {"type": "string", "pattern": r"^[\x00-\x09\x0B\x0C\x0E-\x7F]$"}
COLUMN: Schema = {"type": "string"}
TEXTS: Schema = {"type": "array", "items": {"type": "string"}}


def option(description: str, schema: Schema) -> Schema:
    """Return the schema of a member with its description."""
    return {"description": description, **schema}


def members(**known: Schema) -> Schema:
    """Return the schema of an object with only these members, all optional."""
    return {"type": "object", "properties": known, "additionalProperties": False}


def integer(least: int, most: int) -> Schema:
    """Return the schema of an integer within bounds."""
    return {"type": "integer", "minimum": least, "maximum": most}


CSV = members(
    delimiter=option(
        "One character, or 'auto': the one of , ; tab | that the first records agree on.",
        {"anyOf": [{"const": "auto"}, {"type": "string", "pattern": DELIMITER}]},
    ),
    header=option("Whether the first record names the columns.", {"enum": [True, False, "auto"]}),
    quoted_newlines=option(
        "'never': no field has a newline in it, so nothing need be scanned to cut the file.",
        {"enum": ["auto", "never"]},
    ),
    ragged=option(
        "'pad': short records are filled up with empty fields, and empty fields behind the last "
        "column are left out; else a record of another length is rejected.",
        {"enum": ["reject", "pad"]},
    ),
    empty=option(
        "'missing': an empty field is NaN for a float and empty text; else its record is rejected.",
        {"enum": ["missing", "reject"]},
    ),
    null_values=option("Texts that stand for an empty field, as 'NA'.", TEXTS),
    decimal=option("What stands before the decimals of a number.", {"enum": [".", ","]}),
    quote=option("One character that fields stand in.", CHARACTER),
    escape=option(
        "One character that takes the meaning from the next.",
        {"anyOf": [{"type": "null"}, CHARACTER]},
    ),
    encoding=option("Of the text.", {"enum": list(ENCODINGS)}),
)
OUTPUT = members(
    format=option("'auto': that of the input; JSONL for objects.", {"enum": list(OUTPUT_FORMATS)}),
    join=option("Whether the input's own columns stand before the outputs.", {"type": "boolean"}),
    leave_out=option("Columns of the input that are not joined.", TEXTS),
    tensors=option("Outputs of the model that are written; none named: all.", TEXTS),
    partitioned=option(
        "Whether the parts are the output, each whole by itself, and no single file is written.",
        {"type": "boolean"},
    ),
    per_input=option(
        "Whether each file of the input has an output called after it, and no single file is "
        "written.",
        {"type": "boolean"},
    ),
    bytes=option(
        "How outputs of datatype BYTES are written: 'text' rejects records whose bytes are none.",
        {"enum": list(BYTES_FORMS)},
    ),
    prefix=option(
        "Address of a prefix, with {date}, {time}, {model}, {job} in it.",
        {"type": ["string", "null"], "pattern": ADDRESS},
    ),
)
OPTIONS: Schema = {
    **members(
        format=option(
            "Of the input; 'auto' looks at its name and its bytes.", {"enum": list(FORMATS)}
        ),
        compression=option(
            "Of the input; 'auto' looks at its name and its bytes.", {"enum": list(COMPRESSIONS)}
        ),
        csv=option("How a CSV file is written.", CSV),
        columns=option(
            "For each input of the model its column, or its columns in the order of its elements.",
            {
                "type": "object",
                "additionalProperties": {
                    "anyOf": [COLUMN, {"type": "array", "items": COLUMN, "minItems": 1}]
                },
            },
        ),
        positional=option(
            "Whether the first columns fill the inputs in order, whatever they are called.",
            {"type": "boolean"},
        ),
        partitions=option(
            "'auto': folders below a prefix that are called column=value are columns of CSV and "
            "Parquet; 'never': they are not.",
            {"enum": list(PARTITIONS)},
        ),
        times=option(
            "What dates and times of Parquet are counted in, since 1970 or midnight, where an "
            "input takes numbers; 'text': they are text alone.",
            {"enum": list(TIMES)},
        ),
        output=option("What is written, and where.", OUTPUT),
        max_rejected_percent=option(
            "Rows that may be rejected before the job fails.",
            {"type": "number", "minimum": 0, "maximum": 100},
        ),
        concurrency=option("Shards that run at once.", integer(1, MOST_CONCURRENCY)),
        tolerated_failed_shards_percent=option(
            "Shards that may fail before the job does.", integer(0, 100)
        ),
        shard_bytes=option("Most bytes of input in a shard.", integer(1, LARGEST_SHARD_BYTES)),
    ),
    "description": "What may be chosen of a batch job; whatever is left out has its default.",
}
