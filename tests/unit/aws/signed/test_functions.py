"""How the shared function asks the functions that answer for other models."""

import io
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from serval.aws.signed.client import AwsRefused, AwsUnavailable
from serval.aws.signed.functions import SignedFunctions
from serval.errors import ServiceUnavailable


class Answer(io.BytesIO):
    """What Lambda answers."""

    headers: dict[str, str]


@dataclass
class Invoking:
    """Stands for the signed client: a function that answers, or does not."""

    body: bytes = b'{"statusCode": 200}'
    headers: dict[str, str] = field(default_factory=dict)
    error: Exception | None = None
    asked: list[Any] = field(default_factory=list)

    def request(self, *request: Any, attempts: int) -> Answer:
        if self.error:
            raise self.error
        self.asked.append((*request, attempts))
        answer = Answer(self.body)
        answer.headers = self.headers
        return answer


def functions(invoking: Invoking) -> SignedFunctions:
    return SignedFunctions(invoking, {"shelf": "serval-dev-infer-shelf"})  # type: ignore[arg-type]


def test_an_event_is_answered_by_the_models_function_once() -> None:
    invoking = Invoking()
    assert functions(invoking).ask("shelf", {"body": "é"}) == {"statusCode": 200}
    [(method, path, _, body, attempts)] = invoking.asked
    assert (method, attempts) == ("POST", 1)
    assert path == "/2015-03-31/functions/serval-dev-infer-shelf/invocations"
    assert json.loads(body) == {"body": "é"}


def test_an_event_of_another_alphabet_is_sent_no_longer_than_it_came() -> None:
    invoking = Invoking()
    event = {"body": "模型 " * 100 + "\ud800"}
    functions(invoking).ask("shelf", event)
    body = invoking.asked[0][3]
    assert json.loads(body) == event
    assert len(body) < 1_100


@pytest.mark.parametrize(
    ("invoking", "said"),
    [
        (Invoking(error=AwsUnavailable("lambda did not answer: 429")), "did not answer: 429"),
        (Invoking(error=AwsRefused(403, b"{}")), "did not answer: 403"),
        (Invoking(error=TimeoutError("timed out")), "timed out"),
        (
            Invoking(
                b'{"errorType": "Sandbox.Timedout", "errorMessage": "secret"}',
                {"x-amz-function-error": "Unhandled"},
            ),
            "its function did not answer: Sandbox.Timedout$",
        ),
    ],
)
def test_one_that_fails_is_said_to_have_failed(invoking: Invoking, said: str) -> None:
    with pytest.raises(ServiceUnavailable, match=said):
        functions(invoking).ask("shelf", {})
