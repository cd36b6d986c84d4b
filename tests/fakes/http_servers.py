"""Small inference servers over real HTTP on loopback."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from serval.inference.loaded import Limits, LoadedVersions
from serval.inference.runtimes.onnx import graph_opening
from serval.models.route import KnownVersions
from serval.worker.program.loaded_memory import LoadedMemory
from serval.worker.serve.gather import Gather
from serval.worker.serve.server import InferenceServer, application
from serval_cli.local.server import HOST
from tests.fakes.worker import Registry


@contextmanager
def running(app: Any) -> Iterator[int]:
    """Serve an ASGI application on a free port, and give the port."""
    server = uvicorn.Server(uvicorn.Config(app, host=HOST, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    until = time.monotonic() + 60
    while not server.started:
        assert thread.is_alive(), "the server has not started"
        assert time.monotonic() < until
        time.sleep(0.002)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


@dataclass
class V2:
    """The worker as a server, over an in-memory registry."""

    folder: Path
    registry: Registry = field(default_factory=Registry)
    limits: Limits = field(default_factory=lambda: Limits(2**30, 2**30))
    models: tuple[str, ...] = ("adder",)
    gather: Gather = field(init=False)

    def __post_init__(self) -> None:
        loaded = LoadedVersions(
            self.registry.version,
            self.registry,
            graph_opening(1769),
            self.folder,
            self.limits,
        )
        self.gather = Gather(LoadedMemory(loaded), time.monotonic)

    def app(self) -> Starlette:
        """Give the application."""
        versions = KnownVersions(self.registry, time.monotonic)
        return application(InferenceServer(versions, self.gather, self.models))

    @contextmanager
    def serving(self) -> Iterator[int]:
        """Serve, and give the port."""
        thread = threading.Thread(target=self.gather.run)
        thread.start()
        try:
            with running(self.app()) as port:
                yield port
        finally:
            self.gather.stop()
            thread.join()


REFUSAL = {
    "message": "no such prompt",
    "type": "BadRequestError",
    "param": "prompt",
    "code": "prompt_unknown",
}
BEFORE_HOLD = 3
"""Chunks of a stream that do not wait."""


@dataclass
class CompletionsServer:
    """A server that speaks OpenAI's completions: it answers a prompt with itself, reversed."""

    model: str = "gpt"
    ready: bool = True
    asked: list[Mapping[str, Any]] = field(default_factory=list)
    hold: threading.Event | None = None
    """What every answer waits for; a stream, behind its first chunks."""
    characters: int = 3
    """Of each chunk of a stream."""
    unfinished: bool = False
    """Its streams break off in the middle."""
    thought: str = ""
    """What its chats say beside their text."""
    refusal: Mapping[str, Any] = field(default_factory=lambda: {"error": REFUSAL})
    """What it says of a bad prompt."""

    def app(self) -> Starlette:
        """Give the application."""
        return Starlette(
            routes=[
                Route("/v1/models", self.models),
                Route("/v1/completions", self.complete, methods=["POST"]),
                Route("/v1/chat/completions", self.chat, methods=["POST"]),
            ]
        )

    def models(self, request: Request) -> Response:
        if not self.ready:
            return Response(status_code=503)
        return JSONResponse({"object": "list", "data": [{"id": self.model, "object": "model"}]})

    async def chat(self, request: Request) -> Response:
        """Call the first of the tools, or answer with the last message, reversed."""
        body = json.loads(await request.body())
        self.asked.append(body)
        message: dict[str, Any] = {"role": "assistant", "content": None}
        if tools := body.get("tools"):
            called = {"name": tools[0]["function"]["name"], "arguments": "{}"}
            message["tool_calls"] = [{"id": "call_0", "type": "function", "function": called}]
        else:
            message["content"] = body["messages"][-1]["content"][::-1]
        if body.get("stream"):
            deltas = [{"role": "assistant", "content": ""}]
            deltas += [{"reasoning_content": self.thought}] if self.thought else []
            deltas += [{"content": piece} for piece in self.cut(message["content"])]
            return self.stream([{"delta": delta} for delta in deltas])
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return JSONResponse({"id": "c", "model": self.model, "choices": [choice]})

    async def complete(self, request: Request) -> Response:
        body = json.loads(await request.body())
        self.asked.append(body)
        while self.hold is not None and not self.hold.is_set():
            await asyncio.sleep(0.005)
        prompt = body["prompt"]
        if prompt == "bad":
            return JSONResponse(self.refusal, 400)
        if prompt == "broken":
            return Response("out of memory", 500)
        if prompt == "strange":
            return JSONResponse({"choices": []})
        text = prompt[::-1][: body.get("max_tokens")]
        if body.get("stream"):
            return self.stream([{"text": piece} for piece in self.cut(text)])
        choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": "stop"}
        return JSONResponse({"id": "c", "object": "text_completion", "choices": [choice]})

    def cut(self, text: str) -> list[str]:
        """Cut a text into the pieces of its chunks."""
        return [text[at : at + self.characters] for at in range(0, len(text), self.characters)]

    def stream(self, choices: Sequence[Mapping[str, Any]]) -> Response:
        """Answer in chunks, as vLLM does where the usage is wanted."""

        async def tell() -> AsyncIterator[str]:
            for number, choice in enumerate(choices):
                if self.unfinished and number == len(choices) // 2:
                    return
                while number == BEFORE_HOLD and self.hold and not self.hold.is_set():
                    await asyncio.sleep(0.005)
                yield write_chunk({"choices": [{"index": 0, "finish_reason": None, **choice}]})
            yield write_chunk({"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]})
            usage = {"prompt_tokens": 5, "completion_tokens": 17, "total_tokens": 22}
            yield write_chunk({"choices": [], "usage": usage})
            yield "data: [DONE]\n\n"

        return StreamingResponse(tell(), media_type="text/event-stream")


def write_chunk(chunk: Mapping[str, Any]) -> str:
    """Write a chunk as an event, whose text is not escaped, as vLLM does."""
    return f"data: {json.dumps({'id': 'c', **chunk}, ensure_ascii=False)}\n\n"
