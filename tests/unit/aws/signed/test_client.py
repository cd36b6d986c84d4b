"""Signed requests: as botocore signs them, and as patient with AWS as it."""

import http.server
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import quote

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given
from hypothesis import strategies as st

from serval.aws.signed.client import AwsRefused, AwsUnavailable, SignedClient, signature_headers
from serval.settings import Credentials

NOW = datetime(2026, 11, 21, 10, 15, tzinfo=UTC)


class FixedSigV4(botocore.auth.SigV4Auth):
    """botocore's signer at a time of our choosing, for a body whose hash is in the headers."""

    def sign(self, request: AWSRequest, headers: dict[str, str]) -> str:
        request.context["timestamp"] = headers["x-amz-date"]
        canonical = self.canonical_request(request)
        return str(self.signature(self.string_to_sign(request, canonical), request))


@given(
    path=st.text(max_size=20),
    body=st.binary(max_size=20),
    token=st.sampled_from(["", "token"]),
    query=st.sampled_from(["", "versionId=a.b-C_1", "a=1&versionId=3%2FL4"]),
)
def test_signatures_are_botocores(path: str, body: bytes, token: str, query: str) -> None:
    encoded = "/" + quote(path, safe="/-_.~", errors="replace")
    credentials = Credentials("AKID", "secret", token)
    headers = signature_headers(
        credentials,
        service="dynamodb",
        region="eu-west-1",
        method="POST",
        host="example.test",
        path=encoded,
        headers={"content-type": "application/json"},
        body=body,
        now=NOW.timetuple(),
        query=query,
    )
    unsigned = {name: value for name, value in headers.items() if name != "authorization"}
    request = AWSRequest(
        "POST", f"https://example.test{encoded}?{query}", headers=unsigned, data=body
    ).prepare()
    signer = FixedSigV4(BotoCredentials("AKID", "secret", token or None), "dynamodb", "eu-west-1")
    aws_request = AWSRequest("POST", request.url, headers=unsigned, data=body)
    signer._normalize_url_path = lambda path: path
    assert headers["authorization"].endswith("Signature=" + signer.sign(aws_request, headers))


class Scripted(http.server.BaseHTTPRequestHandler):
    """Answers with the statuses it was given, in order."""

    protocol_version = "HTTP/1.1"
    statuses: list[int]
    body = b"answer"
    """Of what is not 200."""

    def do_GET(self) -> None:
        status = self.statuses.pop(0)
        if status == 0:
            self.close_connection = True
            self.connection.close()
            return
        body = b"answer" if status == 200 else self.body
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[http.server.HTTPServer]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Scripted) as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def client(
    server: http.server.HTTPServer,
    statuses: list[int],
    slept: list[float],
    body: bytes = b"answer",
) -> SignedClient:
    Scripted.statuses, Scripted.body = statuses, body
    url = f"http://127.0.0.1:{server.server_port}"
    return SignedClient("s3", "eu-west-1", Credentials("a", "b"), url, slept.append)


@pytest.mark.parametrize("statuses", [[200], [503, 200], [500, 429, 200], [0, 200]])
def test_what_may_pass_is_retried(server: http.server.HTTPServer, statuses: list[int]) -> None:
    slept: list[float] = []
    expected = len(statuses) - 1
    asked = client(server, statuses, slept)
    response = asked.request("GET", "/", {})
    assert response.read() == b"answer"
    assert len(slept) == expected
    asked.close()


@pytest.mark.parametrize(
    "body",
    [
        b'{"__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"}',
        b'{"message": "slow", "__type":"com.amazon.coral.availability#ThrottlingException"}',
        b'{"__type":"RequestLimitExceeded"}',
        b"<Error><Code>RequestTimeout</Code><Message>read no data</Message></Error>",
    ],
)
def test_throttling_passes_though_it_comes_as_the_callers_fault(
    server: http.server.HTTPServer, body: bytes
) -> None:
    asked = client(server, [400, 200], [], body)
    assert asked.request("GET", "/", {}).read() == b"answer"
    Scripted.statuses = [400]
    with pytest.raises(AwsUnavailable):
        asked.request("GET", "/", {}, attempts=1)
    asked.close()


def test_a_refusal_does_not_repeat_what_aws_says_of_the_account(
    server: http.server.HTTPServer,
) -> None:
    said = b'{"__type":"x#AccessDeniedException","Message":"User: arn:aws:sts::123456789012:x"}'
    asked = client(server, [400], [], said)
    with pytest.raises(AwsRefused) as refused:
        asked.request("GET", "/", {})
    assert str(refused.value) == "400 AccessDeniedException"
    asked.close()


def test_a_connection_that_the_server_has_dropped_costs_no_pause(
    server: http.server.HTTPServer,
) -> None:
    slept: list[float] = []
    asked = client(server, [200, 0, 200], slept)
    assert asked.request("GET", "/", {}).read() == b"answer"
    assert asked.request("GET", "/", {}).read() == b"answer"
    assert slept == []
    asked.close()


def test_what_will_not_pass_is_refused_at_once(server: http.server.HTTPServer) -> None:
    slept: list[float] = []
    asked = client(server, [404], slept)
    with pytest.raises(AwsRefused, match="404"):
        asked.request("GET", "/", {})
    assert slept == []
    asked.close()


def test_three_attempts_are_all(server: http.server.HTTPServer) -> None:
    asked = client(server, [503, 503, 503], [])
    with pytest.raises(AwsUnavailable, match="s3 did not answer"):
        asked.request("GET", "/", {})
    asked.close()
