"""The body of ``PUT /async/requests/{id}``: one JSON object."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import simdjson

from serval.errors import InvalidParameter, MalformedBody
from serval.protocol.json_values import distinct_names, json_object, pick_members, preview
from serval.protocol.limits import MOST_JSON_BYTES
from serval.protocol.request import check_json_size

MEMBERS = frozenset(
    {
        "model",
        "version",
        "request",
        "upload",
        "inference_header_content_length",
        "callback_url",
    }
)


@dataclass(frozen=True, slots=True)
class PutRequest:
    """What a PUT asks for; members that are missing are None."""

    model: str
    version: str | None
    request: bytes | None
    """The V2 inference request, without spaces; None: it was uploaded."""
    header_length: int | None
    callback_url: str | None


def read_put_request(body: bytes, json_limit: int = MOST_JSON_BYTES) -> PutRequest:
    """Read a body.

    Raises
    ------
    MalformedBody, InvalidParameter
        Naming the member, the value and the expectation.
    PayloadTooLarge
        If it is longer than the limit.
    """
    check_json_size(len(body), json_limit)
    document = json_object(body, "a 'model' member")
    if unknown := sorted(distinct_names(document) - MEMBERS):
        raise MalformedBody(
            f"the body has {unknown[0]!r:.80}, one of {', '.join(sorted(MEMBERS))} expected"
        )
    members = pick_members(document, MEMBERS)
    request = read_inference_request(members)
    model = read_text(members, "model")
    if not model:
        raise MalformedBody("the body has no 'model': the name of a model on a fleet is expected")
    return PutRequest(
        model=model,
        version=read_text(members, "version"),
        request=request,
        header_length=read_header_length(members, uploaded=request is None),
        callback_url=read_text(members, "callback_url"),
    )


def read_inference_request(members: Mapping[str, Any]) -> bytes | None:
    """Read the inference request; None if it was uploaded."""
    uploaded = preview(members.get("upload", False))
    if not isinstance(uploaded, bool):
        raise InvalidParameter("upload", uploaded, "true or false")
    if uploaded == ("request" in members):
        raise MalformedBody(
            "the body needs 'request' (a V2 inference request) or 'upload: true', and not both"
        )
    if uploaded:
        return None
    if not isinstance(members["request"], simdjson.Object):
        raise InvalidParameter("request", preview(members["request"]), "a V2 inference request")
    written: str | bytes = members["request"].mini
    return written.encode() if isinstance(written, str) else written


def read_text(members: Mapping[str, Any], name: str) -> str | None:
    """Read a member that is a string; None if it is missing or null."""
    value = preview(members.get(name))
    if value is not None and not isinstance(value, str):
        raise InvalidParameter(name, value, "a string")
    return value


def read_header_length(members: Mapping[str, Any], *, uploaded: bool) -> int | None:
    """Read the length of an upload's JSON part; None: it is JSON alone."""
    name = "inference_header_content_length"
    value = preview(members.get(name))
    if value is None:
        return None
    if not uploaded:
        raise InvalidParameter(name, value, "none beside 'request', which is JSON")
    if type(value) is not int or value < 0:
        raise InvalidParameter(name, value, "a whole number of bytes")
    return value
