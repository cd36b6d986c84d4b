"""Servers that take any body, over real HTTP on loopback."""

from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from serval.errors import InvalidInputs
from serval.handlers.served import ServedBodies
from serval.handlers.signature import HANDLER_SIGNATURE
from serval.inference.runtimes import ArtifactUnreadable, RuntimeFailed
from serval.inference.runtimes.http_server import Server
from serval.models.server_declaration import ServerDeclaration
from serval.models.tensor import Tensor
from serval.protocol.binary_tensors import bytes_array
from tests.fakes.http_servers import running

STATUS = {"status": "READY"}


async def echo(request: Request) -> Response:
    body = await request.body()
    if body == b"bad":
        return Response("no such thing", 422)
    if body == b"broken":
        return Response("out of memory", 500)
    kind, accept = request.headers["content-type"], request.headers["accept"]
    return Response(body[::-1], media_type=f"{kind}+{accept}")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    routes = [
        Route("/predictions", echo, methods=["POST"]),
        Route("/health-check", lambda request: JSONResponse(STATUS)),
    ]
    with running(Starlette(routes=routes)) as found:
        yield found


def served(port: int) -> ServedBodies:
    declared = ServerDeclaration("http", port, "m", ready="/health-check", path="/predictions")
    return ServedBodies(Server(declared), 0.1)


def bodies(*given: bytes, **headers: bytes) -> list[Tensor]:
    tensors = {"body": list(given), **{name: [value] for name, value in headers.items()}}
    return [
        Tensor(name, "BYTES", bytes_array(values, [len(values)]))
        for name, values in tensors.items()
    ]


def test_bodies_go_as_they_are_and_answers_come_back_with_their_types(port: int) -> None:
    given = bodies(b"\x00ab", b"", content_type=b"audio/x", accept=b"a/b\r\nx: y")
    answer, kind = served(port).run(given, HANDLER_SIGNATURE.outputs)
    assert answer.array.tolist() == [b"ba\x00", b""]
    assert kind.array.tolist() == [b"audio/x+a/bx: y"] * 2


def test_a_body_that_it_refuses_is_the_callers_fault_and_others_are_not(port: int) -> None:
    model = served(port)
    with pytest.raises(InvalidInputs, match="no such thing"):
        model.run(bodies(b"bad"), HANDLER_SIGNATURE.outputs)
    with pytest.raises(RuntimeFailed, match="500: out of memory"):
        model.run(bodies(b"broken"), HANDLER_SIGNATURE.outputs)


def test_cogs_health_check_tells_that_it_is_starting(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STATUS, "status", "STARTING")
    with pytest.raises(ArtifactUnreadable, match="/health-check says STARTING"):
        served(port)
