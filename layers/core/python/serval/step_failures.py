"""The errors that Step Functions catches when a step fails."""

import json


def message_of(cause: str) -> str:
    """Return the message of a function's exception, or the cause as it stands."""
    try:
        error = json.loads(cause)
    except ValueError:
        return cause
    return str(error.get("errorMessage", cause)) if isinstance(error, dict) else cause
