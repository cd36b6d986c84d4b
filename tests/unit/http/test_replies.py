"""Replies are held to what Lambda hands on, which wraps a text body in JSON once more."""

import pytest

from serval.errors import PayloadTooLarge
from serval.http.call import JSON, Reply
from serval.http.replies import sized_reply
from serval.protocol.content import JSON_LIMIT_BYTES


def reply(body: bytes) -> Reply:
    return sized_reply(body, {"content-type": JSON}, "", lambda _: "ask for less")


@pytest.mark.parametrize("escaped", [b'"', b"\\"])
def test_what_lambda_escapes_counts_twice(escaped: bytes):
    most = JSON_LIMIT_BYTES // 2
    assert reply(escaped * most)["statusCode"] == 200
    with pytest.raises(PayloadTooLarge, match="ask for less"):
        reply(escaped * (most + 1))


def test_all_else_counts_once():
    assert reply(b"1" * JSON_LIMIT_BYTES)["statusCode"] == 200
    with pytest.raises(PayloadTooLarge):
        reply(b"1" * (JSON_LIMIT_BYTES + 1))
