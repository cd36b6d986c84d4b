"""The document of a request: what callers see of it, with its result or a URL of it."""

import json
from dataclasses import dataclass
from typing import Any

from serval.requests.ports import Payloads
from serval.requests.request import AsyncRequest
from serval.requests.step_records import StepRecord, StepRecords

INLINE_RESULT_BYTES = 1_000_000
"""JSON results up to this are part of the document."""


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON object, one of whose members may be JSON already."""

    members: dict[str, Any]
    response: bytes | None = None

    def to_json(self) -> str:
        """Write the document; the response goes in as it is, without parsing."""
        head = json.dumps(self.members)
        if self.response is None:
            return head
        return f'{head[:-1]}, "response": {self.response.decode()}}}'


@dataclass(frozen=True, slots=True)
class Documents:
    """Describes requests."""

    payloads: Payloads
    records: StepRecords
    inline_bytes: int = INLINE_RESULT_BYTES

    def describe(self, request: AsyncRequest) -> Document:
        """Describe a request, with its result or a URL of it."""
        members: dict[str, Any] = {
            "id": request.name,
            "status": request.status,
            "model": request.model,
            "version": request.version or request.wanted,
            "attempts": request.attempts,
            "created": request.created,
            "started": request.started,
            "finished": request.finished,
            "error": request.error,
        }
        if request.cancel_requested:
            members["cancel_requested"] = True
        if request.callback_url is not None:
            members["callback"] = {
                "url": request.callback_url,
                "sent": request.callback_sent,
                "error": request.callback_error,
            }
        members |= self._describe_steps(request)
        if request.status != "succeeded" or request.response_key is None:
            return Document(members)
        length = request.response_header_length
        if length is None and request.response_bytes <= self.inline_bytes:
            result = self.payloads.get(request.response_key)
            if result is not None:
                return Document(members, result)
        members["response_url"] = self.payloads.presign_read(request.response_key, length)
        if length is not None:
            members["response_header_length"] = length
        return Document(members)

    def _describe_steps(self, request: AsyncRequest) -> dict[str, Any]:
        """Describe what is known of a pipeline's steps."""
        asked = {}
        if request.step_versions is not None:
            asked = {"step_versions": json.loads(request.step_versions)}
        if not request.durable:
            return asked
        steps = self.records.read(request.id).values()
        begun = sorted(steps, key=lambda step: (step.started, step.name))
        return {**asked, "steps": [self._describe_step(step) for step in begun]}

    def _describe_step(self, step: StepRecord) -> dict[str, Any]:
        """Describe a step of a pipeline, with a URL of what it gave."""
        members: dict[str, Any] = {
            "name": step.name,
            "status": step.status,
            "started": step.started,
            "finished": step.finished,
            "error": step.error,
        }
        if step.versions:
            members["versions"] = dict(step.versions)
        if step.cache:
            members["cache"] = dict(step.cache)
        if step.value_key is not None:
            length = step.header_length
            members["value_url"] = self.payloads.presign_read(step.value_key, length)
            if length is not None:
                members["value_header_length"] = length
        return members
