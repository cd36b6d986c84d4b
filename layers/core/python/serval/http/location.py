"""Where a request is to be found, as its caller writes it."""

from urllib.parse import urljoin

from serval.http.dispatch import Event, path_after_stage


def location(event: Event, request_id: str) -> str:
    """Give the URL of a request from the event that it was made by.

    The API may lie below a path of its own that an event does not tell, as on a laptop: there the
    URL is relative to the one that was called, and leads to the right place too (RFC 9110, 10.2.2).
    """
    path = path_after_stage(event)
    # From the folder of the path that was called up to the root of the API.
    relative = "../" * (path.count("/") - 1) + f"async/requests/{request_id}"
    host = event["requestContext"].get("domainName", "")
    if host and event["headers"].get("host") == host:
        return urljoin(f"https://{host}{event['rawPath']}", relative)
    return relative
