"""Composition root of ``infer``."""

import json
import os
import tempfile
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serval.access.admission import Admission, Authenticator
from serval.aws.signed.addresses import bucket_url, service_url
from serval.aws.signed.client import SignedClient
from serval.aws.signed.edge import EdgeArtifacts, EdgeRegistry
from serval.aws.signed.functions import SignedFunctions
from serval.bootstrap.answer_caching import answer_caching
from serval.bootstrap.function import LambdaFunction, http_function
from serval.bootstrap.log import print_line
from serval.bootstrap.other_functions import signed_functions
from serval.bootstrap.pipelines import pipeline_opening
from serval.bootstrap.realtime.tickets import stream_redirect
from serval.http.infer import InferEndpoint
from serval.inference.cpu import cpu_class
from serval.inference.loaded import Limits, LoadedVersions
from serval.inference.run import Inference
from serval.inference.runtimes import OpenModel
from serval.inference.runtimes.onnx import graph_opening
from serval.models.metrics import InferenceMetrics
from serval.models.resource_names import inference_function_name
from serval.models.route import on_lambda
from serval.protocol.limits import RequestLimits, requests_mib
from serval.settings import TRACE_HEADER, InferSettings, unpack
from serval.shutdown import on_shutdown

if TYPE_CHECKING:  # where nothing is traced, it is not imported
    from serval.aws.xray import StepTracer

LOAD_SECONDS = 25.0
"""Of the 29 that a call may take."""
ANSWER_SECONDS = 28.0
"""Of the same, for another function."""


def build() -> LambdaFunction[InferEndpoint]:
    """Build the function from its environment, once per cold start."""
    settings = InferSettings.from_environment()
    endpoint = inference_endpoint(settings)
    if has_handler(settings):
        return LambdaFunction("infer", endpoint, answer_event, facts=None)
    return http_function("infer", endpoint)


def answer_event(endpoint: InferEndpoint, event: Any, context: Any) -> Any:
    """Answer a call of API Gateway, or the rows of a batch job."""
    from serval.handlers.row_bodies import ROWS, RowBodies, answer_bodies

    if ROWS not in event:
        return endpoint.reply(event)

    def remaining() -> float:
        return float(context.get_remaining_time_in_millis()) / 1e3

    load = endpoint.inference.load
    return answer_bodies(load, RowBodies.from_event(event), remaining).to_json()


def has_handler(settings: InferSettings) -> bool:
    """Return whether this is the function of a model that is a handler."""
    task_root = settings.lambda_task_root
    return bool(task_root) and (Path(task_root) / "handler").is_dir()


def inference_endpoint(settings: InferSettings, *, streams: bool = False) -> InferEndpoint:
    """Build what answers calls of models, perhaps in pieces."""
    aws = settings.aws_endpoint_url
    region, bucket = settings.aws_region, settings.artifact_bucket
    client = partial(SignedClient, region=region, credentials=settings.credentials)
    dynamodb = client(service="dynamodb", endpoint_url=aws or service_url("dynamodb", region))
    s3 = client(
        service="s3",
        endpoint_url=f"{aws}/{bucket}" if aws else bucket_url(bucket, region),
    )
    metrics = InferenceMetrics(write=print_line)
    registry = EdgeRegistry(settings.registry_table, dynamodb, today)
    memory_mib = settings.aws_lambda_function_memory_size
    loaded = LoadedVersions(
        find=on_lambda(registry.version),
        store=EdgeArtifacts(s3),
        open_model=opening(settings),
        folder=Path(tempfile.mkdtemp(prefix="serval-")),
        limits=Limits.of_function(memory_mib, settings.ephemeral_storage_mib),
        cpu_class=cpu_class(),
        log=print_line,
        compose=pipeline_opening(registry.route),
        count_failed_steps=metrics.count_failed_steps,
        with_cache=answer_caching(settings, settings.answers_table, settings.data_bucket, metrics),
    )
    on_shutdown(settings.aws_lambda_runtime_api, metrics.flush)
    keys = Authenticator() if settings.authentication == "key" else None
    limits = RequestLimits.of_memory(requests_mib(memory_mib) * 2**20)
    return InferEndpoint(
        Admission(registry, keys),
        Inference(loaded),
        metrics,
        print_line,
        limits=limits,
        redirect=stream_redirect(settings, whole_models(settings)),
        streams=streams,
        others=other_functions(settings),
        trace=step_tracer(settings.aws_xray_daemon_address),
    )


def step_tracer(address: str) -> "StepTracer | None":
    """Return what records steps of pipelines in X-Ray's traces, where there are any."""
    if not address:
        return None
    from serval.aws.xray import StepTracer

    return StepTracer.to(address, lambda: os.environ.get(TRACE_HEADER, ""))


def whole_models(settings: InferSettings) -> frozenset[str]:
    """Return the models that do not stream: those on fleets, and custom Python."""
    named = settings.fleet_models, settings.handlers
    return frozenset(model for models in named for model in json.loads(unpack(models)))


def other_functions(settings: InferSettings) -> SignedFunctions | None:
    """Return what hands calls to other functions; None if there are none to hand to."""
    own: list[str] = json.loads(unpack(settings.own_functions))
    on_fleets: list[str] = json.loads(unpack(settings.fleet_models))
    if not own and not settings.wait_function:
        return None
    names = {model: inference_function_name(settings.stage, model) for model in own}
    on_wait = dict.fromkeys(on_fleets, settings.wait_function)
    wait = settings.wait_function  # durable pipelines are pushed, and known by their versions
    return signed_functions(settings, on_wait | names, ANSWER_SECONDS, otherwise=wait)


def opening(settings: InferSettings) -> OpenModel:
    """Return what opens versions; nothing of handlers is imported but in a handler's function."""
    open_graph = graph_opening(settings.aws_lambda_function_memory_size)
    if not has_handler(settings):
        return open_graph
    from serval.bootstrap.handlers import handler_opening
    from serval.handlers.deployed import own_opening

    return own_opening(handler_opening(settings, LOAD_SECONDS), open_graph)


def today() -> str:
    """Return today's date in UTC, ISO 8601."""
    return datetime.fromtimestamp(time.time(), UTC).date().isoformat()
