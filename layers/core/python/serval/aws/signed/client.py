"""Signed requests to AWS with nothing but the standard library.

``infer`` reaches DynamoDB and S3 through this module, because importing boto3 takes longer than
importing numpy and ONNX Runtime together. Everything else uses boto3.

Specification: AWS Signature Version 4 for API requests, "Create a signed AWS API request".
"""

import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from serval.connections import BrokenAnswer, Connection, HttpAnswer, tls_context
from serval.faults import TRANSIENT_AT_AWS
from serval.settings import Credentials

ATTEMPTS = 3
TIMEOUT_SECONDS = 5.0
RETRIED = frozenset({429, 500, 502, 503, 504})
TRANSIENT = (OSError, BrokenAnswer)
CODE = re.compile(rb'"__type"\s*:\s*"(?:[^"#]*#)?(\w+)"|<Code>(\w+)</Code>')


class AwsUnavailable(Exception):
    """AWS did not answer, after retries."""


@dataclass(frozen=True, slots=True)
class AwsRefused(Exception):
    """AWS answered with an error."""

    status: int
    body: bytes

    @property
    def code(self) -> str:
        """Return the error code of DynamoDB or S3; empty if there is none."""
        found = CODE.search(self.body)
        return (found[1] or found[2]).decode() if found else ""

    def __str__(self) -> str:
        # Not what AWS says beside: callers read this, and that names account and role.
        return f"{self.status} {self.code}".rstrip()


def signature_headers(
    credentials: Credentials,
    *,
    service: str,
    region: str,
    method: str,
    host: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    now: time.struct_time,
    query: str = "",
) -> dict[str, str]:
    """Return the signed headers of a request whose path and query are already URL-encoded.

    A query's parameters are in the order of their names.
    """
    moment = time.strftime("%Y%m%dT%H%M%SZ", now)
    digest = hashlib.sha256(body).hexdigest()
    signed = {"host": host, "x-amz-content-sha256": digest, "x-amz-date": moment, **headers}
    if credentials.session_token:
        signed["x-amz-security-token"] = credentials.session_token
    names = ";".join(sorted(signed))
    lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
    canonical = f"{method}\n{path}\n{query}\n{lines}\n{names}\n{digest}"
    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = b"AWS4" + credentials.secret_access_key.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    signed["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key_id}/{scope}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    return signed


@dataclass(slots=True)
class SignedClient:
    """One service of AWS over one kept-alive connection; not for several threads at once."""

    service: str
    region: str
    credentials: Credentials
    endpoint_url: str
    sleep: Callable[[float], None] = time.sleep
    timeout_seconds: float = TIMEOUT_SECONDS
    """For connecting, and for each wait for bytes."""
    _connection: Connection = field(init=False)

    def __post_init__(self) -> None:
        url = urlsplit(self.endpoint_url)
        tls = url.scheme == "https"
        port = url.port or (443 if tls else 80)
        self._connection = Connection(url.hostname or "", port, tls, self.timeout_seconds)
        if tls:
            tls_context()  # Now, while Lambda starts the environment, and not in a request.

    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes = b"",
        query: str = "",
        attempts: int = ATTEMPTS,
    ) -> HttpAnswer:
        """Send a request and return the answer, its body unread; retry it when that may help.

        So it must be one that does no harm when it arrives twice: a read, or a write that says what
        is to be there.

        ``query`` is URL-encoded, its parameters in the order of their names.

        Raises
        ------
        AwsRefused
            If AWS answers with a status that a retry does not change.
        AwsUnavailable
            If there is no answer after that many attempts.
        """
        path = quote(path, safe="/-_.~")
        for attempt in range(attempts):
            if attempt:
                self.sleep(0.05 * 2**attempt)
            try:
                response = self._send(method, path, headers, body, query)
            except TRANSIENT as error:
                self.close()
                problem = f"{type(error).__name__}: {error}"
                continue
            if response.status < 300:
                return response
            refused = AwsRefused(response.status, response.read())
            if response.status not in RETRIED and refused.code not in TRANSIENT_AT_AWS:
                raise refused
            problem = str(refused)
        raise AwsUnavailable(f"{self.service} did not answer: {problem}")

    def _send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, query: str
    ) -> HttpAnswer:
        url = urlsplit(self.endpoint_url)
        path = url.path.rstrip("/") + path
        signed = signature_headers(
            self.credentials,
            service=self.service,
            region=self.region,
            method=method,
            host=url.netloc,
            path=path,
            headers=headers,
            body=body,
            now=time.gmtime(),
            query=query,
        )
        target = f"{path}?{query}" if query else path
        return self._connection.request(method, target, signed, body, repeatable=True)

    def close(self) -> None:
        """Drop the connection; the next request opens another."""
        self._connection.close()
