"""What a handler prints becomes lines of the log, each with the model's name."""

import json
from collections.abc import Callable
from typing import IO

MOST_LINE_BYTES = 8192
"""A longer line is cut into several."""


def pass_lines_on(printed: IO[bytes], model: str, log: Callable[[str], object]) -> None:
    """Log what comes out of a process until it ends."""
    with printed:
        while line := printed.readline(MOST_LINE_BYTES):
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            log(json.dumps({"level": "INFO", "handler": model, "line": text}))
