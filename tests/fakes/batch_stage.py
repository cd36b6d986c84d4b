"""The ``serval`` command in this process, on a stage in memory that has batch jobs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from hashlib import md5
from pathlib import Path
from typing import Any

import httpx

from serval.batch.job.keys import Address
from serval.client import Client
from serval_cli.commands.call import batch, schedules
from serval_cli.steering.batch_watch import watch_job
from tests.fakes.batch_api import DATA_BUCKET, KEY, Bench
from tests.fakes.command_line import Terminal
from tests.fakes.handlers import recorded


@dataclass
class Uploads:
    """What boto3's S3 client stores, and the data bucket's name."""

    bucket: str = DATA_BUCKET
    stored: dict[str, bytes] = field(default_factory=dict)

    def upload_file(self, path: str, bucket: str, key: str, **more: Any) -> None:
        self.stored[f"s3://{bucket}/{key}"] = Path(path).read_bytes()
        more["Callback"](Path(path).stat().st_size)


@dataclass
class BatchStage(Terminal):
    """A user whose stage has the API of batch jobs."""

    bench: Bench = field(default_factory=Bench)
    payloads: Uploads = field(default_factory=Uploads)
    meanwhile: Callable[[], object] = lambda: None
    """What the stage does between two looks."""
    outage: int = 0
    """Requests that fail before the API answers again."""
    asked: list[str] = field(default_factory=list)
    seconds: float = 0.0
    """That the user has waited."""
    name: str = "local"
    cut_off_after: list[int] = field(default_factory=list)
    """Bytes after which the connections that fetch files are cut off, one after the other."""
    fetched: list[tuple[str, str]] = field(default_factory=list)
    """Each file that was asked for, and from where on."""

    def __post_init__(self) -> None:
        self.monkeypatch.setattr(batch, "find_stage", lambda *_, **__: self)
        self.monkeypatch.setattr(schedules, "find_stage", lambda *_, **__: self)
        server = httpx.MockTransport(self.serve)
        client = Client("http://api", KEY, transport=server, sleep=self.sleep)
        self.monkeypatch.setattr(batch, "open_client", lambda *_: client)
        watch = partial(watch_job, clock=lambda: self.seconds)
        self.monkeypatch.setattr(batch, "watch_job", watch)

    def client(self, service: str) -> Any:
        assert service == "s3"
        return self.payloads

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self.meanwhile()

    def serve(self, request: httpx.Request) -> httpx.Response:
        """Answer as the stage, or as S3."""
        return self.answer(request) if request.url.host == "api" else self.file(request)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer a request as the gateway and the function do."""
        self.asked.append(f"{request.method} {request.url.path}")
        if self.outage:
            self.outage -= 1
            raise httpx.ConnectError("the network is down")
        event = recorded("batch_get")
        event["rawPath"] = request.url.path
        event["requestContext"]["http"] |= {"method": request.method, "path": request.url.path}
        event["headers"] = {**dict(request.headers), "x-api-key": KEY}
        event["queryStringParameters"] = dict(request.url.params)
        event["body"] = request.content.decode() or None
        reply = self.bench.endpoint.reply(event)
        return httpx.Response(reply["statusCode"], headers=reply["headers"], text=reply["body"])

    def file(self, request: httpx.Request) -> httpx.Response:
        """Give a file as S3 does for a URL with a signature."""
        assert "authorization" not in request.headers
        key = request.url.path.removeprefix("/")
        body = self.bench.objects.get(Address(DATA_BUCKET, key))
        ranged = request.headers.get("range", "")
        self.fetched.append((key.rpartition("/")[2], ranged))
        if body is None:
            return httpx.Response(403, text="<Error/>")
        etag = f'"{md5(body).hexdigest()}"'
        assert request.headers.get("if-match", etag) == etag
        rest = body[int(ranged.removeprefix("bytes=").removesuffix("-")) if ranged else 0 :]
        headers = {"etag": etag, "content-length": str(len(rest))}
        return httpx.Response(206 if ranged else 200, headers=headers, content=self.sent(rest))

    def sent(self, body: bytes) -> Iterator[bytes]:
        """Send a body in small pieces, as far as the connection lasts."""
        last = self.cut_off_after.pop(0) if self.cut_off_after else len(body)
        for at in range(0, min(last, len(body)), 10):
            yield body[at : min(at + 10, last)]
        if last < len(body):
            raise httpx.ReadError("the connection was reset")
