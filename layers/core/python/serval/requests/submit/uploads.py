"""Uploads: inference requests over the API's limit, written to the data bucket by presigned URL."""

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
from serval.requests.submit.checks import SubmissionChecks

UPLOAD_SECONDS = 3600
"""How long an upload's URL is valid."""
REMEDY = "send fewer rows, or start a batch job"


@dataclass(frozen=True, slots=True)
class RequestUploads:
    """Presigns uploads, and finds what was uploaded."""

    checks: SubmissionChecks
    payloads: Payloads
    clock: Clock = utc_now

    def begin(
        self, caller: Caller, model: str, route: Route, wanted: str | None, size_bytes: object
    ) -> dict[str, Any]:
        """Return an id, a URL that takes exactly this many bytes, and the call to make next.

        The URL is valid for an hour, or until the session that signs it ends, if that is sooner.

        Raises
        ------
        InvalidParameter
            If an upload cannot have this size.
        """
        self.checks.find_version(model, route, wanted)
        most = self.checks.upload_limit(model)
        if type(size_bytes) is not int or not 1 <= size_bytes <= most:
            raise InvalidParameter(
                "size_bytes", size_bytes, f"a whole number of bytes up to {most} ({REMEDY})"
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
        """Return what the caller's key has uploaded for an id and a model.

        Raises
        ------
        InvalidParameter
            If there is nothing.
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
        if found.size_bytes > (most := self.checks.upload_limit(model)):
            raise PayloadTooLarge("upload", found.size_bytes, most, REMEDY)
        return found
