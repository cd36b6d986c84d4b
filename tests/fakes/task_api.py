"""A stage whose only model answers by a task, for `serval try` and `serval infer`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from serval.client import Client
from serval_cli.commands.call import attempt, infer

COMMANDS: dict[str, ModuleType] = {"try": attempt, "infer": infer}


@dataclass
class TaskStage:
    """What the commands see of a stage."""

    task: str | None
    answer: Any
    """JSON, or bytes: a file."""
    content_type: str = "audio/wav"
    running: str = ""
    """The async request that calls become, as on a fleet that sleeps; empty: it answers at once."""
    requests: list[httpx.Request] = field(default_factory=list)
    local: None = None
    api_url: str = "http://api/stage"

    def api_key(self, given: str | None) -> str:
        return given or "srv_key"

    def reply(self, request: httpx.Request) -> httpx.Response:
        """Answer as the API does."""
        if "/async/requests/" in request.url.path:
            data = [json.dumps(self.answer)]
            output = {"name": "answers", "datatype": "BYTES", "shape": [1], "data": data}
            document = {"status": "succeeded", "response": {"outputs": [output]}}
            return httpx.Response(200, json=document)
        if request.method == "GET":
            named = {} if self.task is None else {"task": self.task}
            inputs = [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]
            described = {"name": "m", "inputs": inputs, "outputs": inputs, **named}
            return httpx.Response(200, json=described)
        self.requests.append(request)
        if self.running:
            headers = {"serval-request-id": self.running}
            return httpx.Response(503, json={"error": "it goes on"}, headers=headers)
        if isinstance(self.answer, bytes):
            headers = {"content-type": self.content_type}
            return httpx.Response(200, content=self.answer, headers=headers)
        return httpx.Response(200, json=self.answer)

    @property
    def body(self) -> Any:
        """The JSON of the only request."""
        [request] = self.requests
        return json.loads(request.content)


@dataclass
class TaskTerminal:
    """A person at a terminal, who calls the model ``m``."""

    stage: TaskStage
    monkeypatch: pytest.MonkeyPatch

    def __post_init__(self) -> None:
        server = httpx.MockTransport(self.stage.reply)
        client = Client(self.stage.api_url, "srv_key", transport=server)
        for module in COMMANDS.values():
            self.monkeypatch.setattr(module, "open_client", lambda *_: client)
            self.monkeypatch.setattr(module, "find_stage", lambda *_: self.stage)
        self.monkeypatch.setattr(infer, "runs_on_fleet", lambda *_, **__: bool(self.stage.running))

    def serval(self, command: str, *words: str, typed: Sequence[str] | None = None) -> Result:
        """Run a command; ``typed`` are the person's lines, None: there is nobody."""
        self.monkeypatch.setattr(attempt, "can_ask", lambda: typed is not None)
        lines = "".join(f"{line}\n" for line in typed or ())
        return CliRunner().invoke(COMMANDS[command].app, ["m", *words], input=lines)
