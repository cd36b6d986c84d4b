"""Composition root of ``stream``."""

import json
from functools import cache

from serval.aws.runtime_loop import Handler, serve_streams
from serval.bootstrap.function import LambdaFunction, http_function
from serval.bootstrap.log import print_line
from serval.bootstrap.realtime.infer import inference_endpoint
from serval.bootstrap.realtime.tickets import tickets
from serval.http.events import RequestEvents
from serval.http.stream import StreamEndpoint
from serval.http.wait import WaitEndpoint
from serval.settings import InferSettings, unpack


def build() -> LambdaFunction[StreamEndpoint]:
    """Build the function from its environment, once per cold start."""
    settings = InferSettings.from_environment()
    endpoint = inference_endpoint(settings, streams=True)
    on_fleets: list[str] = json.loads(unpack(settings.fleet_models))
    return http_function(
        "stream",
        StreamEndpoint(
            endpoint,
            tickets(settings),
            request_events,
            on_fleets=frozenset(on_fleets),
            fleets=fleet_calls if on_fleets else None,
        ),
    )


@cache
def request_events() -> RequestEvents:
    """Build what follows async requests when one is first followed: it imports boto3."""
    from serval.bootstrap.requests.requests import follow_events

    return follow_events()


@cache
def fleet_calls() -> WaitEndpoint:
    """Build what answers calls of models on fleets when one comes: it imports boto3."""
    from serval.bootstrap.requests.wait import live_endpoint

    return live_endpoint()


def serve(handler: Handler) -> None:
    """Stream what a handler answers, where Lambda's Runtime API is; elsewhere do nothing."""
    serve_streams(InferSettings.from_environment().aws_lambda_runtime_api, handler, print_line)
