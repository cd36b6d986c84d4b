"""What a caller prefers: ``Prefer: wait=20``, ``respond-async``.

Specification: RFC 7240. Preferences that are unknown or make no sense are ignored, as it says.
"""

LONGEST_WAIT_SECONDS = 20


def wait_seconds(prefer: str) -> int:
    """Give how long a caller would wait for a result, at most 20 s; 0: not at all."""
    for preference in prefer.lower().split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        value = value.strip().strip('"')
        if name.strip() == "wait" and value.isascii() and value.isdigit() and len(value) < 10:
            return min(int(value), LONGEST_WAIT_SECONDS)
    return 0
