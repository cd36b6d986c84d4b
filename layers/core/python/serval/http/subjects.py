"""What an error is about, for its line in the log: request, model, version and key."""

import re

from serval.access.authentication import Authenticator
from serval.errors import ServalError
from serval.http.dispatch import Event, path_after_stage

IN_PATH = re.compile(
    r"/(?:v2|async|batch)/models/(?P<model>[^/]+)(?:/versions/(?P<version>[^/]+))?"
)


def subjects(
    error: ServalError, event: Event, authenticator: Authenticator | None
) -> dict[str, str]:
    """Name the request, and model, version and key as far as they are known.

    The error knows them best: a route chose the version. A key is named only if it is good.
    """
    found = IN_PATH.match(path_after_stage(event))
    asked = found.groupdict() if found else {}
    headers = {name.lower(): value for name, value in event["headers"].items()}
    key = authenticator.remembered(headers) if authenticator else None
    about = {
        "request": event["requestContext"]["requestId"],
        "model": getattr(error, "model", None) or asked.get("model"),
        "version": getattr(error, "version", None)
        or asked.get("version")
        or headers.get("serval-model-version"),
        "key": key.name if key else None,
    }
    return {name: value for name, value in about.items() if value}
