"""A stage in this process: every route's real handler, over fakes at our own ports."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

import pytest

from serval.http import endpoints
from serval.http.dispatch import Endpoint
from serval.models.registry import Rollout
from serval.openapi.document import document
from serval.protocol.limits import RequestLimits, requests_mib
from tests.fakes import batch_api, describe, inference, submission
from tests.fakes.handlers import imported
from tests.fakes.requests import async_request
from tests.fakes.task_models import publish_recorded, publish_sentiment
from tests.unit.http.test_openai import TEMPLATE as SPEAK

INPUT = "async/in/textgen/rows"
"""Where an asynchronous invocation finds its input."""
MODELS = {
    "floats": ("FP32", [-1, 2]),
    "texts": ("BYTES", [-1]),
    "bytes": ("UINT8", [-1, -1]),
    "integers": ("INT64", [2]),
    "flags": ("BOOL", [-1, 1]),
    "halves": ("FP16", [-1]),
}
"""Of the function that all models share."""
KEY = submission.KEY
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "id",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
    "STAGE": "prod",
    "FLEETS": "{}",
    "ARTIFACT_BUCKET": "artifacts",
    "DATA_BUCKET": "data",
    "REGISTRY_TABLE": "registry",
    "REQUESTS_TABLE": "requests",
    "JOBS_TABLE": "jobs",
    "SHARD_MEMORY_MIB": "1769",
    "WAITING_PLACES": "8",
    "SHARDS_AT_ONCE": "100",
    "BATCH_JOBS_PER_MINUTE": "1000000",
    "BATCH_OPEN_JOBS": "1000000",
    "BATCH_LEAST_SHARD_BYTES": "1",
    "BATCH_MACHINE": "arn:aws:states:eu-central-1:123456789012:stateMachine:batch",
}
TASK = ("/models/{model}", "/models/{model}/versions/{version}")
INFER = tuple(endpoint.template for endpoint in endpoints.INFER)
ON_FLEETS = (*INFER[:2], *TASK)
"""Routes of which models on fleets have some of their own."""


def routes() -> list[Endpoint]:
    """List what the OpenAPI document has."""
    paths: Mapping[str, Mapping[str, Any]] = document()["paths"]
    return [
        Endpoint(method.upper(), path)
        for path, item in paths.items()
        for method in item
        if method != "parameters"
    ]


class Stage:
    """Functions that live as long as the run, and rows that do not."""

    def __init__(self) -> None:
        self.folder = Path(mkdtemp(prefix="mutations-"))
        self.inference = inference.bench(self.folder)
        self.inference.edge.grant(KEY)
        for model, (datatype, shape) in MODELS.items():
            sign = inference.signature(datatype, shape)
            axes = [extent if extent > 0 else f"axis{axis}" for axis, extent in enumerate(shape)]
            self.inference.edge.publish(model, "1", inference.identity(datatype, axes), sign)
        self.inference.edge.publish("textgen", "1", b"", submission.TEXTGEN)
        publish_sentiment(self.inference.edge, "sentiment")
        publish_recorded(
            self.inference.edge, "writer", "gpt2", "text-generation", chat_template=SPEAK
        )
        publish_recorded(
            self.inference.edge, "vectors", "feature-extraction-mean", "feature-extraction"
        )
        pooled = {"task": {"name": "feature-extraction", "pooling": "mean"}}
        object.__setattr__(self.inference.edge.records["vectors", "1"], "bundle", pooled)
        on_fleet = {"compute": {"target": "fleet", "fleet": "gpu"}}
        object.__setattr__(self.inference.edge.records["textgen", "1"], "bundle", on_fleet)
        self.requests, self.batch = submission.Bench(), batch_api.Bench()
        self.describe = describe.Bench()
        for bench in (self.requests, self.batch, self.describe):
            bench.grant(KEY)
        self.describe.registry.publish("floats", "1", "2")
        begun = "2026-09-01T08:00:00+00:00"
        rollout = Rollout(
            model="floats", rollout="u1", status="running", created=begun, updated=begun
        )
        self.describe.registry.rolled_out.append(rollout)
        publish_sentiment(self.requests.edge, "vision")
        self.requests.time.meanwhile = self.work
        limits = RequestLimits.of_memory(requests_mib(1769) * 2**20)
        object.__setattr__(self.inference.endpoint, "limits", limits)
        ports = {
            "infer": self.inference.endpoint,
            "wait": self.requests.wait,
            "submit": replace(self.requests.submit, data_bucket="data"),
            "requests": self.requests.requests,
            "batch": self.batch.endpoint,
            "describe": self.describe.endpoint,
        }
        with pytest.MonkeyPatch.context() as patch:
            self.handlers = {
                name: imported(name, ENVIRONMENT, endpoint, patch).handler
                for name, endpoint in ports.items()
            }

    def work(self) -> None:
        """Do what is queued for fleets, as a worker whose model finds nothing in anything."""
        for row in list(self.requests.store.rows.values()):
            if row.status == "queued":
                count = 1
                if row.model == "vision":
                    sent = row.payload or self.requests.payloads.objects[row.payload_key]
                    asked, _ = json.JSONDecoder().raw_decode(sent.decode("latin-1"))
                    count = asked["inputs"][0]["shape"][0]
                answered = json.loads(submission.result())
                found = {"datatype": "BYTES", "shape": [count], "data": ["[]"] * count}
                answered["outputs"].append({"name": "answers", **found})
                self.requests.succeed(row.id, json.dumps(answered).encode())

    def close(self) -> None:
        """Leave nothing behind."""
        rmtree(self.folder)

    def answer(self, function: str, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """Invoke a function."""
        reply: Mapping[str, Any] = self.handlers[function](event, None)
        return reply

    def forget(self) -> None:
        """Set back what lies outside the functions: tables, queues, buckets, logs, rates."""
        for rows in (
            self.requests.store.rows,
            self.requests.queue.sent,
            self.requests.payloads.objects,
            self.requests.limits.taken,
            self.requests.woken.asked,
            self.requests.called_back.asked,
            self.requests.time.naps,
            self.batch.store.rows,
            self.batch.store.shard_rows,
            self.batch.limits.taken,
            self.batch.executions.started,
            self.batch.announced,
            self.batch.previewed,
            self.inference.printed,
            self.inference.edge.reads,
            self.inference.edge.asked,
            self.requests.edge.reads,
            self.requests.edge.asked,
            self.batch.edge.reads,
            self.batch.edge.asked,
        ):
            rows.clear()
        self.requests.payloads.objects[INPUT] = json.dumps(submission.inference_request()).encode()
        self.requests.store.create(async_request("r1"))
        self.requests.store.create(async_request("r2", status="failed", error="it failed"))
        self.batch.job("j1")
        self.batch.ended("j2", status="failed")
        for log in (self.inference.log, self.requests.log, self.batch.log, self.describe.log):
            log.clear()


def function_of(route: Endpoint, model: str) -> str:
    """Name the function that the gateway sends a route's calls to."""
    if route.template in INFER:
        heavy = "vision" if route.template in TASK else "textgen"
        return "wait" if model == heavy and route.template in ON_FLEETS else "infer"
    owners = [name for name, own in endpoints.FUNCTIONS.items() if route in own]
    return owners[0] if owners else "describe"
