"""docs/client.md: its Python runs, against a server that answers as the API does."""

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from serval.client import waiting
from tests.docs.pages import ROOT, blocks
from tests.fakes.client_server import URL, AwaitedTransport

PYTHON = [block for block in blocks("docs/client.md") if block.language == "python"]
SIGNATURES = {
    "iris": ("measurements", "FP32", [-1, 4]),
    "story": ("text", "BYTES", [-1]),
    "textgen": ("prompt", "UINT8", [-1, -1]),
}
OUTPUTS = [
    {"name": "answers", "datatype": "BYTES", "shape": [1], "data": ["[]"]},
    {"name": "label", "datatype": "INT64", "shape": [1], "data": [0]},
    {"name": "completion", "datatype": "UINT8", "shape": [1, 2], "data": [111, 102]},
]
RESPONSE = {"model_name": "m", "model_version": "1", "outputs": OUTPUTS}
ROLLOUT = {
    "model": "iris",
    "stable": "2",
    "version": "2",
    "status": "promoted",
    "step": "ended",
    "percent": 100,
    "paused": False,
    "started": "2026-11-21T10:15:00.000Z",
    "finished": "2026-11-21T10:30:00.000Z",
    "reason": "no harm in 412 requests",
}
READS = {
    "/v2/models": {"models": ["iris"]},
    "/v2/models/iris/rollout": ROLLOUT,
    "/async/requests": {"requests": [], "next": None},
}


def api(request: httpx.Request) -> httpx.Response:
    """Answer every call of the page."""
    path, found = request.url.path.removeprefix("/stage"), {"id": "i", "error": None}
    if path == "/out":
        return httpx.Response(200, content=iter([b"a,b\n"]))
    if path in READS:
        return httpx.Response(200, json=READS[path])
    if request.method == "GET" and path.startswith("/v2/models/"):
        name, datatype, shape = SIGNATURES[path.split("/")[3]]
        spec = {"name": name, "datatype": datatype, "shape": shape}
        described = {"name": "m", "inputs": [spec], "outputs": [], "task": "text-generation"}
        return httpx.Response(200, json=described)
    if path.endswith("/events"):
        return httpx.Response(200, content=iter([b'id: 13\nevent: end\ndata: {"text": ""}\n\n']))
    if path.startswith("/async/"):
        ended = {**found, "id": path.split("/")[3], "status": "succeeded", "response": RESPONSE}
        return httpx.Response(200, json=ended)
    if path.startswith("/batch/"):
        files = [{"name": "output.csv", "url": "http://s3/out"}]
        more = {"status": "succeeded", "percent": 100, "results": files}
        return httpx.Response(200, json=found | more)
    return httpx.Response(200, json=RESPONSE if path.endswith("/infer") else [{"label": "x"}])


def test_the_python_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("photo.jpg").write_bytes(b"\xff\xd8")
    answering = httpx.Client(transport=httpx.MockTransport(api))
    monkeypatch.setattr(waiting.httpx, "Client", lambda **_: answering)
    awaited = httpx.AsyncClient(transport=AwaitedTransport(api))
    monkeypatch.setattr(waiting.httpx, "AsyncClient", lambda **_: awaited)
    names: dict[str, Any] = {"url": URL, "key": "srv_key", "rows": [[1, 2, 3, 4]] * 3}
    for block in PYTHON:
        exec(compile(block.text, f"client.md, line {block.line}", "exec"), names)
    assert names["answer"]["label"] == [0]
    assert [path.read_bytes() for path in names["paths"]] == [b"a,b\n"]
    assert names["ended"].reason == "no harm in 412 requests"
    asyncio.run(names["main"]())


def test_the_page_names_every_exception() -> None:
    import serval.client as package

    page = (ROOT / "docs/client.md").read_text()
    named = set(re.findall(r"`(\w+)", page))
    failures = {
        name
        for name in package.__all__
        if isinstance(getattr(package, name), type)
        if issubclass(getattr(package, name), Exception)
    }
    assert failures - named <= {"RefusedCall"}
