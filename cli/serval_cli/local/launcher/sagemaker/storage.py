"""Access to S3 and SNS over HTTP, for the endpoints themselves."""

import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

SCOPE = "AWS4-HMAC-SHA256 Credential=test/20250101/us-east-1/{}/aws4_request, Signature=0"
"""Names the called service; the emulator does not check signatures."""
SECONDS = 60.0
Check = Callable[[str, str], None]
"""Raises ``Refused`` unless an action on a resource is allowed."""
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Opens URLs of this machine, whatever proxies the environment names."""


class ObjectNotFound(Exception):
    """There is no such object."""

    def __init__(self, location: str) -> None:
        super().__init__(f"no object at {location}")


@dataclass(frozen=True, slots=True)
class Storage:
    """Objects by their ``s3://`` location, and topics by their ARN.

    Calls are made with the stage owner's credentials, after checking each against the endpoint's
    role.
    """

    endpoint: str
    check: Check

    def read(self, location: str) -> bytes:
        """Read an object, or raise ``ObjectNotFound``."""
        self.check("s3:GetObject", object_arn(location))
        request = urllib.request.Request(
            self._url(location), headers={"Authorization": SCOPE.format("s3")}
        )
        try:
            with DIRECT.open(request, timeout=SECONDS) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            error.close()
            raise ObjectNotFound(location) from None

    def write(self, location: str, body: bytes, content_type: str) -> None:
        """Write an object."""
        self.check("s3:PutObject", object_arn(location))
        headers = {"Authorization": SCOPE.format("s3"), "Content-Type": content_type}
        request = urllib.request.Request(
            self._url(location), data=body, headers=headers, method="PUT"
        )
        DIRECT.open(request, timeout=SECONDS).close()

    def publish(self, topic: str, message: str) -> None:
        """Publish to a topic."""
        self.check("sns:Publish", topic)
        form = {"Action": "Publish", "Version": "2010-03-31", "TopicArn": topic, "Message": message}
        request = urllib.request.Request(
            self.endpoint,
            data=urllib.parse.urlencode(form).encode(),
            headers={"Authorization": SCOPE.format("sns")},
        )
        DIRECT.open(request, timeout=SECONDS).close()

    def _url(self, location: str) -> str:
        return f"{self.endpoint}/{urllib.parse.quote(location.removeprefix('s3://'))}"


def object_arn(location: str) -> str:
    """Return the ARN of an object."""
    return location.replace("s3://", "arn:aws:s3:::", 1)
