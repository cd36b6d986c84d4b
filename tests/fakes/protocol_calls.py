"""Calls of a model by the protocols of other clients."""

import base64
import json
from dataclasses import dataclass
from typing import Any

from tests.fakes.inference import Bench, event


@dataclass(frozen=True)
class Answer:
    """A reply, without the gateway's base64."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def event_at(path: str, body: Any, **headers: str) -> dict[str, Any]:
    """Give the event of a body that is posted to a path: bytes as they are, all else as JSON."""
    is_base64 = isinstance(body, bytes)
    text = base64.b64encode(body).decode() if is_base64 else json.dumps(body)
    made = event("", text, is_base64=is_base64, **headers)
    made["requestContext"]["http"]["path"] = path
    return made | {"rawPath": path, "pathParameters": {}}


def call(ready: Bench, path: str, body: Any, **headers: str) -> Answer:
    """Post a body and read the reply."""
    reply = ready.endpoint.reply(event_at(path, body, **headers))
    sent = reply["body"]
    raw = base64.b64decode(sent) if reply["isBase64Encoded"] else sent.encode()
    return Answer(reply["statusCode"], reply["headers"], raw)
