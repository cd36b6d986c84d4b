"""Calls of other functions that answer for models, through signed requests.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serval.aws.signed.client import TRANSIENT, AwsRefused, AwsUnavailable, SignedClient
from serval.errors import ServiceUnavailable


@dataclass(frozen=True, slots=True)
class SignedFunctions:
    """The functions that answer for models which the function that all share does not run."""

    client: SignedClient
    names: Mapping[str, str]
    """Model → its function."""
    attempts: int = 1
    """More than one only for events that do no harm when they arrive twice."""
    otherwise: str = ""
    """The function that answers for all other models; empty: none does."""

    def ask(self, model: str, event: Mapping[str, Any]) -> dict[str, Any]:
        """Let a model's function answer an event; return its reply.

        Raises
        ------
        ServiceUnavailable
            If it does not answer, or fails.
        """
        if not (name := self.names.get(model, self.otherwise)):
            raise unavailable(model, "it was deployed without one: run `serval deploy`")
        path = f"/2015-03-31/functions/{name}/invocations"
        # Without escapes, which make up to twice as much of other alphabets as may be sent. Half a
        # surrogate pair, which UTF-8 has not, is written as JSON escapes it.
        body = json.dumps(event, ensure_ascii=False).encode(errors="backslashreplace")
        try:
            answer = self.client.request("POST", path, {}, body, attempts=self.attempts)
            reply: dict[str, Any] = json.loads(answer.read())
        except (AwsRefused, AwsUnavailable, *TRANSIENT) as error:
            raise unavailable(model, str(error)) from error
        if "x-amz-function-error" in answer.headers:
            raise unavailable(model, str(reply.get("errorType", "it failed")))
        return reply


def unavailable(model: str, problem: str) -> ServiceUnavailable:
    """Return the error that a model's function did not answer."""
    return ServiceUnavailable(f"model {model!r}: its function did not answer: {problem}")
