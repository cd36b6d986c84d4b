"""Where something that was made is to be found, as its caller writes it."""

from urllib.parse import urljoin

from serval.http.dispatch import Event, path_after_stage


def location(event: Event, made: str) -> str:
    """Give the URL of a path, as ``async/requests/<id>``, from the event that made what is there.

    The API may lie below a path of its own that an event does not tell, as on a laptop: there the
    URL is relative to the one that was called, and leads to the right place too (RFC 9110, 10.2.2).
    """
    path = path_after_stage(event)
    # From the folder of the path that was called up to the root of the API.
    relative = "../" * (path.count("/") - 1) + made
    host = event["requestContext"].get("domainName", "")
    if host and event["headers"].get("host") == host:
        return urljoin(f"https://{host}{event['rawPath']}", relative)
    return relative
