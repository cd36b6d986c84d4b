"""Uploads: inference requests over the API's limit go to the data bucket by a presigned URL."""

import json
from dataclasses import dataclass
from typing import Any

from serval.access.api_key import Caller
from serval.clock import Clock, utc_now
from serval.errors import InvalidParameter, MalformedBody, PayloadTooLarge
from serval.models.route import Route
from serval.requests.ids import new_request_id, row_id
from serval.requests.ports import Payloads, StoredPayload
from serval.requests.request import upload_key
from serval.requests.submit.checks import Door

UPLOAD_LIMIT_BYTES = 1_000_000_000
"""What a SageMaker endpoint takes."""
UPLOAD_SECONDS = 3600
"""How long an upload's URL is good."""


@dataclass(frozen=True, slots=True)
class RequestUploads:
    """Gives URLs to upload to, and finds what was uploaded."""

    door: Door
    payloads: Payloads
    clock: Clock = utc_now

    def begin(
        self, caller: Caller, model: str, route: Route, wanted: str | None, size_bytes: object
    ) -> dict[str, Any]:
        """Give an id, a URL that takes exactly so many bytes, and what comes next.

        The URL is good for an hour, or for what is left of the session that signs it, if that is
        less.

        Raises
        ------
        InvalidParameter
            If the size is none that an upload can have.
        """
        self.door.fleet(model)
        self.door.version(model, route, wanted)
        if type(size_bytes) is not int or not 1 <= size_bytes <= UPLOAD_LIMIT_BYTES:
            raise InvalidParameter(
                "size_bytes", size_bytes, f"a whole number of bytes up to {UPLOAD_LIMIT_BYTES}"
            )
        request_id = new_request_id(self.clock(), model)
        key = upload_key(row_id(model, request_id), caller.key_hash)
        body = {"model": model, **({} if wanted is None else {"version": wanted}), "upload": True}
        return {
            "id": request_id,
            "upload_url": self.payloads.presign_write(key, size_bytes),
            "method": "PUT",
            "expires_in_seconds": UPLOAD_SECONDS,
            "next": f"PUT /async/requests/{request_id} with {json.dumps(body)}",
        }

    def find(self, caller: Caller, model: str, request_id: str) -> StoredPayload:
        """Find what the caller's key has uploaded for an id and a model.

        Raises
        ------
        InvalidParameter
            If nothing was.
        """
        found = self.payloads.find(upload_key(row_id(model, request_id), caller.key_hash))
        if found is None:
            raise InvalidParameter(
                "upload",
                True,
                f"an upload for {request_id!r} by this key that is complete "
                f"(POST /async/models/{model}/uploads gives its URL)",
            )
        if found.size_bytes == 0:
            raise MalformedBody("the upload is empty: a V2 inference request is expected")
        if found.size_bytes > UPLOAD_LIMIT_BYTES:
            raise PayloadTooLarge("upload", found.size_bytes, UPLOAD_LIMIT_BYTES, "send fewer rows")
        return found
