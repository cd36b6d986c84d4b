"""The log of functions and workers: one JSON object a line.

Powertools' Logger would cost ``infer``, ``submit`` and ``wait`` more of a cold start than all of
their own code takes, so every function writes its lines this way.
"""


def print_line(line: str) -> None:
    """Print a line, whole and at once."""
    print(line, flush=True)
