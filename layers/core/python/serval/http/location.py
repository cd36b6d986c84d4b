"""Where a call's result is found: the ``Location`` header."""

from urllib.parse import urljoin

from serval.http.call import HttpCall


def location(call: HttpCall, path: str) -> str:
    """Return the URL of a path such as ``async/requests/<id>``, for the ``Location`` header.

    The API may lie below a path that events do not show, as on a laptop. There the URL is relative
    to the one that was called, which clients resolve (RFC 9110, 10.2.2).
    """
    # From the folder of the path that was called up to the root of the API.
    relative = "../" * (call.path.count("/") - 1) + path
    host = call.event["requestContext"].get("domainName", "")
    if host and call.headers.get("host") == host:
        return urljoin(f"https://{host}{call.event['rawPath']}", relative)
    return relative
