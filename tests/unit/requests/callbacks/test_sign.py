"""Callbacks are signed as Standard Webhooks says."""

import base64
import hashlib
import hmac
import re
from pathlib import Path
from typing import Any

import pytest

from serval.access.api_key import callback_secret_text
from serval.requests.callbacks.sign import message_id, signature_headers

ROOT = Path(__file__).parents[4]
SECRET = b"a secret of 32 bytes, as keys get"
TEXT = callback_secret_text(SECRET)
BODY = b'{"id": "order-4711", "status": "succeeded"}'


def test_the_signature_is_over_id_time_and_body_with_the_bytes_of_the_secret() -> None:
    headers = signature_headers(SECRET, "msg_1", 1795256129, BODY)

    secret = base64.b64decode(TEXT.removeprefix("whsec_"))
    expected = hmac.new(secret, b"msg_1.1795256129." + BODY, hashlib.sha256).digest()
    assert headers == {
        "webhook-id": "msg_1",
        "webhook-timestamp": "1795256129",
        "webhook-signature": f"v1,{base64.b64encode(expected).decode()}",
    }


def test_the_scheme_s_own_example_has_our_signature() -> None:
    """The example of the specification's reference libraries."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signature_headers(
        secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_an_end_has_one_name_and_another_end_has_another() -> None:
    first = message_id("a.b", "2026-11-21T10:15:00.000Z")
    assert first == message_id("a.b", "2026-11-21T10:15:00.000Z")
    assert re.fullmatch(r"msg_[0-9a-f]{32}", first)
    assert first != message_id("a.b", "2026-11-21T10:15:00.001Z")
    assert first != message_id("a.c", "2026-11-21T10:15:00.000Z")


def documented() -> Any:
    """Give the function that docs/api.md tells receivers to verify with."""
    text = (ROOT / "docs" / "api.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (code,) = (block for block in blocks if "def verified" in block)
    names: dict[str, Any] = {}
    exec(code, names)
    return names["verified"]


def test_the_documented_receiver_takes_what_is_ours_and_nothing_else() -> None:
    verified = documented()
    headers = signature_headers(SECRET, "msg_1", 1795256129, BODY)
    assert verified(TEXT, headers, BODY, now=1795256129 + 299)
    assert not verified(TEXT, headers, BODY, now=1795256129 + 301)
    assert not verified(TEXT, headers, BODY, now=1795256129 - 301)
    assert not verified(TEXT, headers, BODY + b" ", now=1795256129)
    assert not verified(callback_secret_text(b"other"), headers, BODY, now=1795256129)
    for name in headers:
        other = "1795256130" if name == "webhook-timestamp" else "other"
        assert not verified(TEXT, {**headers, name: other}, BODY, now=1795256129)


@pytest.mark.parametrize("others", ["v1,AAAA ", "v2,AAAA v1a,BBBB "])
def test_the_documented_receiver_takes_any_of_several_signatures(others: str) -> None:
    headers = dict(signature_headers(SECRET, "msg_1", 1795256129, BODY))
    headers["webhook-signature"] = others + headers["webhook-signature"]
    assert documented()(TEXT, headers, BODY, now=1795256129)
