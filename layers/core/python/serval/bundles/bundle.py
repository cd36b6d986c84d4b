"""``model.yaml``: one pydantic model; its JSON Schema is published as docs/model.schema.json.

``python -m serval.bundles.bundle`` prints the schema.
"""

import json
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    WithJsonSchema,
    model_validator,
)

from serval.batch.job.options_schema import OPTIONS
from serval.bundles.cache_section import CacheSection, cache_mistake
from serval.bundles.cron import check_cron
from serval.bundles.handler_variables import SecretName, Value, Variable
from serval.bundles.paths import check_path
from serval.bundles.runtime_section import Runtime, runtime_mistake
from serval.bundles.schedules import check_job
from serval.bundles.task_section import TaskSection, expand_task
from serval.errors import BatchRefused
from serval.models.storage import MODEL_NAME, MODEL_NAME_EXPECTED, VERSION
from serval.yaml_files import Matching, Section, read_section

MOST_KEEP_DAYS = 30
"""The longest time to keep a finished request."""
MODEL_YAML = "model.yaml"


Name = Annotated[str, Matching(MODEL_NAME, MODEL_NAME_EXPECTED)]
Cron = Annotated[
    str,
    Matching(re.compile(r"\S+( +\S+){5}"), "EventBridge's six fields, as '0 3 * * ? *'"),
    AfterValidator(check_cron),
]
S3Address = Annotated[
    str,
    Matching(re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/.*"), "'s3://bucket/prefix/'"),
]
BundlePath = Annotated[str, AfterValidator(check_path)]
STABLE = "stable"
STABLE_OR_NUMBER = re.compile(rf"(?:{STABLE}|{VERSION.pattern})", re.ASCII)
StepVersion = Annotated[
    Annotated[str, Matching(STABLE_OR_NUMBER, f"the number of a version, or {STABLE!r}")] | None,
    BeforeValidator(lambda given: str(given) if type(given) is int else given),
    AfterValidator(lambda given: None if given == STABLE else given),
    WithJsonSchema(
        {
            "anyOf": [
                {"pattern": f"^{STABLE_OR_NUMBER.pattern}$", "type": "string"},
                {"minimum": 1, "type": "integer"},
                {"type": "null"},
            ]
        }
    ),
]


class Compute(Section):
    """Where a model runs."""

    target: Literal["lambda", "fleet"] = "lambda"
    """``lambda`` for light models, ``fleet`` for those that need a GPU or Inferentia."""
    memory_mib: Annotated[int, Field(ge=128, le=10240)] | None = None
    """Lambda only: memory of a function of the model's own, made at the next deploy."""
    fleet: Annotated[str, Field(min_length=1)] | None = None
    """Fleet only: the name of a fleet in fleets.yaml."""

    @model_validator(mode="after")
    def _check_target(self) -> Self:
        if self.target == "fleet" and self.fleet is None:
            raise ValueError("target 'fleet' needs 'fleet': the name of one in fleets.yaml")
        if self.target == "fleet" and self.memory_mib is not None:
            raise ValueError("'memory_mib' is for target 'lambda'; a fleet's machines have theirs")
        if self.target == "lambda" and self.fleet is not None:
            raise ValueError(f"'fleet: {self.fleet}' is for target 'fleet'; set 'target: fleet'")
        return self


class Batching(Section):
    """How requests to a fleet, and records of a shard, are batched into one run."""

    max_batch_size: Annotated[int, Field(ge=1, le=65536)] = 32
    """Rows on axis 0 of one run."""
    max_wait_ms: Annotated[int, Field(ge=0, le=60000)] = 20
    """How long a request may wait for others to share its run."""
    weight: Annotated[int, Field(ge=1, le=100)] = 1
    """The model's share of a busy fleet's time, relative to the fleet's other models."""


class Requests(Section):
    """How async requests of a fleet model are kept and retried."""

    keep_days: Annotated[int, Field(ge=1, le=MOST_KEEP_DAYS)] = 7
    """How long a finished request and its result are kept."""
    max_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    """Failed attempts after which a request is dead-lettered."""


class DeclaredTensor(Section):
    """A tensor of an artifact that is not an ONNX graph."""

    name: Annotated[str, Field(min_length=1)]
    """Name of the tensor."""
    datatype: Literal[
        "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64",
        "FP16", "FP32", "FP64", "BF16", "BYTES",
    ]  # fmt: skip
    """As the Open Inference Protocol V2 names it."""
    shape: tuple[Annotated[int, Field(ge=-1)], ...]
    """Extents, outermost first; -1 may vary."""


class DeclaredSignature(Section):
    """Inputs and outputs of an artifact that is not an ONNX graph; a graph's are read from it."""

    inputs: Annotated[tuple[DeclaredTensor, ...], Field(min_length=1)]
    """Tensors of a request."""
    outputs: Annotated[tuple[DeclaredTensor, ...], Field(min_length=1)]
    """Tensors of a response."""


class RolloutSection(Section):
    """How a new version takes over."""

    steps_percent: Annotated[
        tuple[Annotated[int, Field(ge=1, le=100)], ...], Field(max_length=20)
    ] = (10, 50)
    """Shares of the traffic that the candidate gets in turn, before all of it."""
    bake_seconds: Annotated[int, Field(ge=0, le=86400)] = 300
    """Least time of each step."""
    max_error_percent: Annotated[float, Field(ge=0, le=100)] = 1.0
    """Error rate of the candidate above which it is rolled back."""
    max_latency_ratio: Annotated[float, Field(ge=1)] = 1.25
    """Candidate's p95 / stable's p95 (and at least 5 ms more) above which it is rolled back."""
    when_idle: Literal["promote", "hold"] = "promote"
    """With little traffic: ``promote`` after fewer requests or in the end, or ``hold`` for more."""
    promote_after_seconds: Annotated[int, Field(ge=0, le=604_800)] = 21_600
    """Most time of a step under ``promote``: then a candidate without proven harm goes on."""
    allow_signature_change: bool = False
    """Whether inputs and outputs may differ from the stable version's."""
    alarms: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=255)], ...], Field(max_length=10)
    ] = ()
    """Names of CloudWatch alarms; one in ALARM rolls the candidate back."""

    @model_validator(mode="after")
    def _check_steps(self) -> Self:
        if list(self.steps_percent) != sorted(set(self.steps_percent)):
            raise ValueError(
                f"'steps_percent: {list(self.steps_percent)}': each step must be above the last"
            )
        return self


class Schedule(Section):
    """A batch job that starts by the clock."""

    name: Name
    """Name of the schedule, unique in the bundle."""
    cron: Cron
    """EventBridge's six fields: minutes, hours, day of month, month, day of week, year; in UTC."""
    input: S3Address
    """File or prefix (ending in ``/``) to read; ``{date}``, ``{time}`` and ``{model}`` are those
    of the start."""
    output: S3Address
    """Prefix to write to; ``{job}`` is the job's id, the other words are as in ``input``."""
    options: Annotated[dict[str, Any], WithJsonSchema(OPTIONS)] = Field(default={})
    """Options of the batch job: format, columns, concurrency and so on."""

    @model_validator(mode="after")
    def _check_job(self) -> Self:
        try:
            check_job(self.name, self.input, self.output, self.options)
        except BatchRefused as refused:
            raise ValueError(str(refused)) from None
        return self


class Retrain(Section):
    """An event by the clock that asks for a new version; whoever trains it listens."""

    name: Name
    """Name of the schedule, unique in the bundle."""
    cron: Cron
    """As in ``schedules``."""


def expect_distinct(declared: Sequence[Schedule | Retrain], keys: str) -> None:
    """Refuse, with ``ValueError``, two that have the same name."""
    names = [one.name for one in declared]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{keys}: the name {repeated[0]!r} is repeated")


class Bundle(Section):
    """A model and how to serve it. Only ``name`` is required."""

    name: Name
    """The name that clients call."""
    description: Annotated[str, Field(max_length=1000)] = ""
    """One line for people."""
    artifact: BundlePath = "model.onnx"
    """The file with graph and weights; external-data files may lie beside it."""
    compute: Compute = Compute()
    runtime: Runtime = Runtime()
    task: Annotated[TaskSection, BeforeValidator(expand_task)] | None = None
    """What the model does with text, images, sound or rows; without it, it takes tensors alone."""
    signature: DeclaredSignature | None = None
    """Only for an inference server that takes tensors; that of an ONNX graph is read from it."""
    env: Annotated[dict[Variable, Value], Field(max_length=50)] = Field(default={})
    """Only for a runtime of kind ``python``: variables of the handler's environment."""
    secrets: Annotated[dict[Variable, SecretName], Field(max_length=10)] = Field(default={})
    """Only for a runtime of kind ``python``: variable → name of the model's secret that fills it,
    as ``serval secrets set`` stored it."""
    columns: dict[str, Annotated[tuple[str, ...], Field(min_length=1)]] = Field(default={})
    """Input → names of the columns of a table that fill it, in the order of its elements; batch
    jobs find them by these names."""
    cache: CacheSection | None = None
    """Keeps answers to realtime requests, and to steps of pipelines; without it, each runs."""
    batching: Batching = Batching()
    requests: Requests = Requests()
    rollout: RolloutSection = RolloutSection()
    golden: BundlePath | None = None
    """File of inference requests with expected outputs, one JSON object per line."""
    golden_tolerance: Annotated[float, Field(ge=0)] | None = None
    """How far a float may be from the expected one: this times (1 + |expected|), so absolute for
    small values and relative for large ones. By default 1e-4 for FP32 and FP64, 1e-2 for FP16 and
    5e-2 for BF16.
    """
    schedules: Annotated[tuple[Schedule, ...], Field(max_length=100)] = ()
    """Batch jobs that start by the clock, from the next deploy on."""
    retrain: Annotated[tuple[Retrain, ...], Field(max_length=100)] = ()
    """Events ``serval.retrain`` by the clock, from the next deploy on."""

    @model_validator(mode="after")
    def _check_runtime(self) -> Self:
        has_signature, on_fleet = self.signature is not None, self.compute.target == "fleet"
        if mistake := runtime_mistake(
            self.runtime, has_signature=has_signature, on_fleet=on_fleet, has_task=bool(self.task)
        ):
            raise ValueError(mistake)
        if self.cache and (mistake := cache_mistake(self.runtime, on_fleet=on_fleet)):
            raise ValueError(mistake)
        return self

    @model_validator(mode="after")
    def _check_variables(self) -> Self:
        if twice := sorted(self.env.keys() & self.secrets.keys()):
            raise ValueError(f"env and secrets: both set the variable {twice[0]!r}")
        return self

    @model_validator(mode="after")
    def _check_schedule_names(self) -> Self:
        expect_distinct([*self.schedules, *self.retrain], "schedules and retrain")
        return self

    def to_json(self) -> dict[str, Any]:
        """Return ``model.yaml`` as plain JSON values, with every default."""
        return self.model_dump(mode="json")


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of ``model.yaml``."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Bundle.model_json_schema(),
        "title": "model.yaml of a Serval bundle",
    }


def read_bundle(text: bytes | str) -> Bundle:
    """Parse and validate ``model.yaml``; a container that brings its model needs no other file.

    Raises
    ------
    BundleRefused
        With every mistake: the key, its value and what is expected.
    """
    bundle = read_section(text, MODEL_YAML, Bundle)
    if bundle.runtime.kind == "container" and "artifact" not in bundle.model_fields_set:
        return bundle.model_copy(update={"artifact": MODEL_YAML})
    return bundle


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=2))
