"""Ids of async requests that callers choose themselves."""

import re

from serval.errors import InvalidParameter

REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,58}")
"""SageMaker takes ids of 64 characters, in which the attempt has a place too."""


def checked_id(request_id: str) -> str:
    """Give an id back, or raise ``InvalidParameter`` if it can be none."""
    if not REQUEST_ID.fullmatch(request_id):
        raise InvalidParameter(
            "id",
            request_id,
            "1 to 59 letters, digits, '.', '_' or '-', the first a letter or digit,",
        )
    return request_id
