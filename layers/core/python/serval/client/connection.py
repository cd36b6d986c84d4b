"""What both clients know of a stage: its URL, the key, and how a call becomes an HTTP request."""

from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from serval.client.failures import NoReply
from serval.client.steps import Call, Reply

TIMEOUT_SECONDS = 60.0
NOWHERE = Call("GET", "/")
"""Stands for the call of a flow that has made none."""


@dataclass(frozen=True, slots=True)
class StageAddress:
    """Where a stage answers, and with which key."""

    url: str
    """Without a slash at the end."""
    api_key: str
    timeout_seconds: float

    @classmethod
    def of(cls, url: str, api_key: str, timeout_seconds: float) -> "StageAddress":
        """Check a URL and a key.

        Raises
        ------
        ValueError
            If the URL is none, or the key is empty or has characters that no key has.
        """
        # Of a variable that is not set, os.environ.get makes None.
        url, api_key = (url or "").strip(), api_key or ""
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise ValueError(f"the URL {url!r}: {error}") from None
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise ValueError(f"the URL {url!r}: 'https://…' expected, the stage's ApiUrl")
        if not api_key.strip(" "):
            raise ValueError("the API key is empty: one of the stage's expected")
        if not (api_key.isascii() and api_key.isprintable()):
            raise ValueError("the API key has characters that no key has: copy it again")
        return cls(url.rstrip("/"), api_key.strip(), timeout_seconds)

    def locate(self, call: Call) -> tuple[str, Mapping[str, str]]:
        """Return a call's URL and headers; only the stage gets the key."""
        if call.goes_elsewhere:
            return call.path, call.headers
        return self.url + call.path, {"authorization": f"Bearer {self.api_key}", **call.headers}

    def explain(self, call: Call, error: httpx.RequestError) -> NoReply:
        """Make the exception for a call without a reply."""
        place = httpx.URL(call.path).host if call.goes_elsewhere else self.url
        if isinstance(error, httpx.TimeoutException):
            reason = f"{place} did not answer within {self.timeout_seconds:g} s"
            return NoReply(reason, slow=True)
        if isinstance(error, httpx.DecodingError):
            return NoReply(f"{place}: the reply cannot be decompressed: {error}")
        unsent = isinstance(error, httpx.ConnectError)
        return NoReply(f"{place} does not answer: {error}", unsent=unsent)


def reply_of(answer: httpx.Response, content: bytes) -> Reply:
    """Read what httpx brought."""
    return Reply(answer.status_code, dict(answer.headers), content)
