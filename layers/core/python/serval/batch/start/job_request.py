"""The request for a batch job, from a caller or a schedule: read from JSON and checked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from serval.batch.job.keys import Address, fill_template, read_address
from serval.batch.job.options import DEFAULTS, JobOptions
from serval.batch.start.prefixes import output_prefix
from serval.errors import BatchRefused
from serval.short_repr import short_repr

MEMBERS = ("input", "output", "options")
MOST_INPUTS = 1000
MOST_BYTES = 200_000
"""Of the whole request, since a row of the jobs table holds 400 KB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """The input of a model, where the output goes, and the options."""

    model: str
    input: tuple[str, ...]
    """Addresses; those of a schedule may contain ``{date}``, ``{time}`` and ``{model}``."""
    options: JobOptions = DEFAULTS
    """Including the prefix of the output, if the request names one."""

    @classmethod
    def from_json(cls, model: str, value: Any) -> "JobRequest":
        """Read ``{"input": "s3://…" | ["s3://…", …], "output"?: "s3://…", "options"?: {…}}``.

        Raises
        ------
        BatchRefused
            For the first member that is unknown or has an impossible value.
        """
        if not isinstance(value, Mapping):
            raise BatchRefused(f'{short_repr(value)} given, {{"input": "s3://…"}} expected')
        if unknown := [member for member in value if member not in MEMBERS]:
            raise BatchRefused(
                f"{short_repr(unknown[0])} is not known; there is {', '.join(MEMBERS)}"
            )
        _check_size(value)
        options = JobOptions.from_json(value.get("options") or {})
        return cls(
            model=model,
            input=_read_inputs(value.get("input")),
            options=_add_output(options, value.get("output")),
        )

    def fill_templates(self, moment: datetime) -> "JobRequest":
        """Fill in the templates of the input, or raise ``BatchRefused`` for an unknown word."""
        words = [fill_template(address, self.model, "", moment) for address in self.input]
        return replace(self, input=tuple(words))

    def output(self, data_bucket: str, job: str, moment: datetime) -> Address:
        """Return the prefix to write under, or raise as ``output_prefix`` does."""
        return output_prefix(self.model, self.input, self.options, data_bucket, job, moment)


def _check_size(value: Mapping[str, Any]) -> None:
    try:
        size_bytes = len(json.dumps(value, ensure_ascii=False).encode())
    except UnicodeEncodeError:
        raise BatchRefused("a text of the body is not Unicode: it has half a character") from None
    if size_bytes > MOST_BYTES:
        raise BatchRefused(
            f"the job is described in {size_bytes:,} bytes, at most {MOST_BYTES:,} expected; name "
            "a prefix that its input lies under"
        )


def _read_inputs(value: Any) -> tuple[str, ...]:
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list) or not given:
        raise BatchRefused(
            f"input: {short_repr(value)} given, 's3://bucket/key', 's3://bucket/prefix/' or a list "
            "of such addresses expected"
        )
    if len(given) > MOST_INPUTS:
        raise BatchRefused(
            f"input: {len(given)} addresses given, at most {MOST_INPUTS} expected; name a prefix "
            "that they lie under"
        )
    for address in given:
        read_address(address, "input")
    return tuple(given)


def _add_output(options: JobOptions, output: Any) -> JobOptions:
    if output is None:
        return options
    read_address(output, "output")
    if options.output.prefix not in (None, output):
        raise BatchRefused(
            f"output: {short_repr(output)} given, and options.output.prefix is "
            f"{short_repr(options.output.prefix)}: one of them expected"
        )
    return replace(options, output=replace(options.output, prefix=output))
