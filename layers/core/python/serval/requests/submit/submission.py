"""Submissions: what callers ask for, before there is a row."""

import hashlib
import json
from dataclasses import dataclass

from serval.access.api_key import Caller
from serval.errors import InvalidParameter
from serval.requests.callbacks.urls import read_callback_url
from serval.requests.ports import StoredPayload


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One inference to submit."""

    model: str
    version: str | None = None
    """The version asked for; None: the route decides when the work begins."""
    payload: bytes | StoredPayload
    """The V2 inference request, inflated, or the object that was uploaded."""
    header_length: int | None = None
    """``Inference-Header-Content-Length``; None: JSON alone."""
    callback_url: str | None = None
    affinity: str = ""
    stream: bool = False
    """Whether its answer is to be read while it is written."""

    @property
    def body_hash(self) -> str:
        """The sha256 (hex) of everything but the affinity, which only chooses a track."""
        asked = [self.model, self.version, self.header_length, self.callback_url]
        if not isinstance(self.payload, bytes):
            asked += [self.payload.size_bytes, self.payload.etag]
        if self.stream:
            asked.append("stream")
        hashed = hashlib.sha256(json.dumps(asked).encode() + b"\0")
        if isinstance(self.payload, bytes):
            hashed.update(self.payload)
        return hashed.hexdigest()

    @property
    def size_bytes(self) -> int:
        """The size of the inference request."""
        return len(self.payload) if isinstance(self.payload, bytes) else self.payload.size_bytes


@dataclass(frozen=True, slots=True)
class CallbackUrls:
    """The callback URLs that a stage accepts."""

    local: bool = False
    """Whether http and this machine are allowed, as on a laptop."""

    def check(self, url: str | None, caller: Caller) -> str | None:
        """Return a URL that may be called; its host is resolved only when it is.

        Raises
        ------
        InvalidParameter
            If it may not be called, or there is no key to sign the callback with.
        """
        if url is None:
            return None
        if caller.key_hash is None:
            raise InvalidParameter(
                "callback_url",
                url,
                "none (an API key signs callbacks, and this stage has the gateway authenticate)",
            )
        try:
            read_callback_url(url, local=self.local)
        except ValueError as problem:
            raise InvalidParameter("callback_url", url, str(problem)) from None
        return url
