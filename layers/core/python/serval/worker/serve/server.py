"""The worker as a server: the SageMaker contract, and the Open Inference Protocol V2.

Specifications: "Use your own inference code with hosting services", Amazon SageMaker AI Developer
Guide; Open Inference Protocol V2, ``inference_rest.md``.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serval.errors import PathNotFound, ServalError
from serval.http.status import status_of
from serval.inference.run import read_fitting, server_timing
from serval.models import metadata
from serval.models.route import KnownVersions, choose_target
from serval.models.version import ModelVersion
from serval.protocol.content import inflate, to_bytes
from serval.protocol.response import InferenceResponse, write_response
from serval.worker.serve.any_caller import answer_invocation, choose_model
from serval.worker.serve.envelope import BINARY, JSON, Envelope, content_type, is_envelope
from serval.worker.serve.gather import Gather

ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
TARGET_VARIANT = "x-amzn-sagemaker-target-variant"
HEADER_LENGTH = "inference-header-content-length"
FAILED = "the server failed: its log says why"
MODEL = "/v2/models/{model}"
VERSION = MODEL + "/versions/{version}"


@dataclass(frozen=True, slots=True)
class ServedReply:
    """An inference response in bytes."""

    body: bytes
    header_length: int | None
    version: str
    timing: str

    def reply(self, media_type: str) -> Response:
        """Build the HTTP response."""
        headers = {"serval-model-version": self.version, "server-timing": self.timing}
        if self.header_length is not None:
            headers[HEADER_LENGTH] = str(self.header_length)
        return Response(self.body, media_type=media_type, headers=headers)


@dataclass(frozen=True, slots=True)
class InferenceServer:
    """Answers requests, loading versions as they are needed."""

    versions: KnownVersions
    gather: Gather
    models: Sequence[str]
    """The models of its fleet."""

    async def ping(self, request: Request) -> Response:
        """Answer SageMaker's health check."""
        return Response(status_code=HTTPStatus.OK)

    async def invocations(self, request: Request) -> Response:
        """Answer an invocation of SageMaker: ours names its version in an envelope."""
        attributes = request.headers.get(ATTRIBUTES, "")
        if not is_envelope(attributes):
            return await self._answer_anyone(request)
        envelope = Envelope.parse(attributes)
        length = None if envelope.header_length is None else str(envelope.header_length)
        answered = await self._answer(envelope.model, envelope.version, request, length)
        return answered.reply(content_type(answered.header_length))

    async def _answer_anyone(self, request: Request) -> Response:
        model = choose_model(request.headers, self.models)
        version = request.headers.get(TARGET_VARIANT) or await self._version(request, model)
        body = await self._body(request)
        record = await run_in_threadpool(self.versions.version, model, version)
        written = await run_in_threadpool(
            answer_invocation, record, body, request.headers, self.gather
        )
        headers = {**written.headers, "serval-model-version": version}
        return Response(written.body, media_type=written.content_type, headers=headers)

    async def infer(self, request: Request) -> Response:
        """Answer a V2 request; without a version in the path, the model's route chooses."""
        model = request.path_params["model"]
        version = await self._version(request, model)
        length = request.headers.get(HEADER_LENGTH)
        answered = await self._answer(model, version, request, length)
        return answered.reply(JSON if answered.header_length is None else BINARY)

    async def server(self, request: Request) -> Response:
        """Describe the server."""
        return json_reply(HTTPStatus.OK, metadata.server_metadata())

    async def health(self, request: Request) -> Response:
        """Report that the server is live and ready."""
        return json_reply(HTTPStatus.OK, {"live": True, "ready": True})

    async def list_models(self, request: Request) -> Response:
        """List the models of its fleet."""
        return json_reply(HTTPStatus.OK, {"models": sorted(self.models)})

    async def describe(self, request: Request) -> Response:
        """Describe a version."""
        record = await self._record(request)
        return json_reply(HTTPStatus.OK, metadata.model_metadata(record, [record.version]))

    async def readiness(self, request: Request) -> Response:
        """Report that a version is registered and can be asked."""
        record = await self._record(request)
        return json_reply(HTTPStatus.OK, metadata.readiness(record.model))

    async def _answer(
        self, model: str, version: str, request: Request, header_length: str | None
    ) -> ServedReply:
        """Read a request, run it with others that arrive, and write the answer."""
        body = await self._body(request)
        record = await run_in_threadpool(self.versions.version, model, version)
        asked = await run_in_threadpool(read_fitting, body, header_length, record)
        ran = await asyncio.wrap_future(self.gather.submit(record, asked))
        response = InferenceResponse(model, version, ran.outputs)
        answered, length = await run_in_threadpool(write_response, response, asked)
        return ServedReply(answered, length, version, server_timing(ran.run_ms, ran.load_ms))

    async def _body(self, request: Request) -> bytes:
        body = await request.body()
        if encoding := request.headers.get("content-encoding"):
            return to_bytes(await run_in_threadpool(inflate, body, encoding))
        return body

    async def _record(self, request: Request) -> ModelVersion:
        model = request.path_params["model"]
        version = await self._version(request, model)
        return await run_in_threadpool(self.versions.version, model, version)

    async def _version(self, request: Request, model: str) -> str:
        asked: str | None = request.path_params.get("version")
        wanted = asked or request.headers.get("serval-model-version")
        if wanted is not None:
            return wanted
        route = await run_in_threadpool(self.versions.route, model)
        return choose_target(route, None, request.headers.get("serval-affinity", "")).version


def application(server: InferenceServer) -> Starlette:
    """Build the ASGI application."""
    return Starlette(
        routes=[
            Route("/ping", server.ping),
            Route("/invocations", server.invocations, methods=["POST"]),
            Route("/v2", server.server),
            Route("/v2/health/live", server.health),
            Route("/v2/health/ready", server.health),
            Route("/v2/models", server.list_models),
            *(
                route
                for path in (MODEL, VERSION)
                for route in (
                    Route(path, server.describe),
                    Route(f"{path}/ready", server.readiness),
                    Route(f"{path}/infer", server.infer, methods=["POST"]),
                )
            ),
        ],
        exception_handlers={
            ServalError: refuse,
            HTTPException: no_route,
            Exception: failed,
        },
    )


def json_reply(status: HTTPStatus, body: Mapping[str, Any]) -> Response:
    """Build a reply whose content type is exactly ``application/json``."""
    return Response(json.dumps(body), status_code=status, media_type=JSON)


async def refuse(request: Request, error: Exception) -> Response:
    """Build the reply to a ``ServalError``."""
    if not isinstance(error, ServalError):
        raise error
    return json_reply(status_of(error), {"error": str(error)})


async def no_route(request: Request, error: Exception) -> Response:
    """Build the reply to an unknown path or method."""
    missing = PathNotFound(request.method, request.url.path)
    return json_reply(status_of(missing), {"error": str(missing)})


async def failed(request: Request, error: Exception) -> Response:
    """Build the reply to a failure of the server itself, which Starlette logs."""
    return json_reply(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": FAILED})
