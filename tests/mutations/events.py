"""Events: one call of a route as API Gateway hands it on, after what was done to it on the way."""

import base64
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any
from urllib.parse import quote, unquote

from serval.http.dispatch import Endpoint
from serval.http.endpoints import INVOKE_ASYNC
from tests.fakes.handlers import recorded
from tests.mutations import damage
from tests.mutations.bodies import binary_request, document_of, openai_model
from tests.mutations.stage import INFER, INPUT, KEY, MODELS, function_of

TEXT = ("application/json", "text/plain", "application/xml", "text/csv; charset=latin-1")
BYTES = ("application/octet-stream", "", "application/x-www-form-urlencoded", "image/png")
NAMES = {
    "model": (*MODELS, "textgen", "iris", "absent", "Iris", "a/b", "stats"),
    "version": ("1", "2", "0", "01", "x", "9" * 30),
    "id": ("r1", "r2", "j1", "j2", "x" * 59, "x" * 60, ".r", "a b", "%2F"),
}
"""Of the parameters of paths; some are nothing that there is."""
THERE = {
    "/v2": (*MODELS, "textgen"),
    "/models": ("sentiment", "vision"),
    "/async": ("textgen",),
    "/batch": ("iris", "digits"),
    "/v1": (*MODELS, "sentiment"),
    "/endpoints": (*MODELS, "sentiment"),
    "/mlflow": (*MODELS, "sentiment"),
}
"""Models, by the first segment of the path: those that the route answers for."""
HEADERS = (
    "accept-encoding", "content-encoding", "serval-affinity", "serval-model-version", "prefer",
    "serval-callback-url", "idempotency-key", "inference-header-content-length", "authorization",
    "x-api-key", "host", "content-type", "x-forwarded-for",
)  # fmt: skip
VALUES = (
    "gzip", "deflate", "br;q=1.0, gzip;q=0", "identity", "1", "0", "-1", "20", "wait=20", "q=,;=",
    "wait=9999", "respond-async; wait=1", "1e3", "Bearer ", "Bearer x", "https://example.com/",
    "ftp://x",
)  # fmt: skip
LOCATIONS = (f"s3://data/{INPUT}",) * 3 + ("s3://data/async/in/textgen/none", "s3:///x", "")
QUERIES = ("limit", "model", "dry_run", "status", "cursor", "since", "before", "x")
QUERIED = (
    "5",
    "true",
    "textgen",
    "iris",
    "failed",
    "2026-11-21T10:15:00Z",
    "2026-11-22",
    "WyJ4Il0",
)


@dataclass(frozen=True, slots=True)
class Mutated:
    """An event, and the function that gets it."""

    function: str
    event: dict[str, Any]


@cache
def bombs(seed: int) -> tuple[tuple[str, bytes], ...]:
    """Compress a few bodies that inflate to a thousand times their length."""
    random = Random(seed)
    made = [damage.lists_without_end(random) * random.randrange(1, 20) for _ in range(6)]
    made += [damage.lists_without_end(random) for _ in range(12)]
    made += [damage.zeros(random) for _ in range(2)]
    return tuple(
        (name, compress(body))
        for body in made
        for name, compress in (random.choice(damage.COMPRESSIONS),)
    )


def mutated(route: Endpoint, seed: str) -> Mutated:
    """Make the event that a route and a seed stand for."""
    random = Random(f"{route.method} {route.template} {seed}")
    names = {name: choice(random, route, name) for name in NAMES if f"{{{name}}}" in route.template}
    headers = {"x-api-key": KEY, "host": "api.example.com"}
    body = body_of(random, route, unquote(names.get("model", "textgen")), headers)
    if route == INVOKE_ASYNC:
        headers["x-amzn-sagemaker-inputlocation"] = random.choice(LOCATIONS)
    for _ in range(random.choice((0, 0, 0, 1, 2))):
        headers[random.choice(HEADERS)] = random.choice((random.choice(VALUES), header(random)))
    event = recorded("describe_health")
    path = route.template.format(**names)
    if random.random() < 0.03:
        path += random.choice(("/", "//", "/x", "?", "%00"))
    event |= {"rawPath": path, "headers": headers, **sent(random, headers, body)}
    event["requestContext"]["http"] |= {"method": route.method, "path": path}
    event["requestContext"]["requestId"] = seed
    if random.random() < 0.4:
        event["queryStringParameters"] = {
            random.choice(QUERIES): random.choice((damage.odd_text(random), random.choice(QUERIED)))
            for _ in range(2)
        }
    function = function_of(route, names.get("model", ""))
    if route.template in INFER:
        named = {name: unquote(value) for name, value in names.items()}
        event["routeKey"] = f"{route.method} {route.template}"
        if function == "wait":
            event["routeKey"] = event["routeKey"].replace("{model}", named.pop("model"))
        if named:
            event["pathParameters"] = named
    return Mutated(function, event)


def choice(random: Random, route: Endpoint, name: str) -> str:
    """Choose what a segment of the path is, as it is written there."""
    luck, text = random.random(), "1"
    if name == "model" and route == INVOKE_ASYNC:
        text = "textgen"
    elif name == "model":
        there = ("floats",) if route.method == "GET" else THERE["/" + route.template.split("/")[1]]
        text = openai_model(route) or random.choice(there)
    elif name == "id":
        text = random.choice(NAMES["id"][:4])
    if luck < 0.1:
        text = damage.odd_text(random) or "x"
    elif luck < 0.25:
        text = random.choice(NAMES[name])
    if random.random() < 0.05:
        return "".join(f"%{byte:02X}" for byte in text.encode())
    return quote(text, safe="")


def header(random: Random) -> str:
    """Make up a header's value, of what HTTP lets through."""
    return damage.odd_text(random).encode("latin-1", "replace").decode("latin-1").strip()


def body_of(random: Random, route: Endpoint, model: str, headers: dict[str, str]) -> bytes:
    """Make a body, damaged or not, and the headers that say what it is."""
    document = document_of(random, route, model)
    if document is None:
        return b"" if random.random() < 0.8 else random.randbytes(random.randrange(40))
    framed = route.template.endswith("/infer") and random.random() < 0.35
    if framed:
        document, raw = binary_request(model)
    body = damage.written(random, damage.damaged_document(random, document))
    if framed:
        length = random.choice((len(body), len(body), 0, len(body) - 1, len(body) + 1))
        headers["inference-header-content-length"] = str(length)
        body = raw if length == 0 else body + damage.damaged_bytes(random, raw)
    headers["content-type"] = random.choice(BYTES if framed else TEXT + BYTES)
    if random.random() < 0.2:
        body = damage.damaged_bytes(random, body)
    return packed(random, body, headers)


def packed(random: Random, body: bytes, headers: dict[str, str]) -> bytes:
    """Compress a body, or put another in its place that is much when it is inflated."""
    luck = random.random()
    if luck < 0.01:
        headers["content-encoding"], body = random.choice(bombs(0))
        headers["content-type"] = random.choice(BYTES)
    elif luck < 0.02:
        body = damage.lists_without_end(random)
    elif luck < 0.15:
        headers["content-encoding"], compress = random.choice(damage.COMPRESSIONS)
        body = damage.damaged_bytes(random, compress(body))
    return body


def sent(random: Random, headers: dict[str, str], body: bytes) -> dict[str, Any]:
    """Hand a body on as the gateway does: what says it is text becomes text."""
    if random.random() < 0.05:
        headers["content-type"] = random.choice(TEXT + BYTES)
    if headers.get("content-type", "").startswith(TEXT):
        text = body.decode("utf-8", "replace")
        return {"body": text, "isBase64Encoded": False} if body else {}
    return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True} if body else {}
