"""What a handler prints becomes lines of the log, each with the model's name."""

import json
from collections.abc import Callable
from io import TextIOWrapper
from typing import IO

from serval.handlers.secrets import Redaction

MOST_LINE_CHARACTERS = 8192
"""A longer line is cut into several."""


def pass_lines_on(
    printed: IO[bytes], model: str, log: Callable[[str], object], redaction: Redaction
) -> None:
    """Log what comes out of a process until it ends, without its secrets."""
    held = ""
    with TextIOWrapper(printed, "utf-8", "replace", newline="\n") as lines:
        while part := lines.readline(MOST_LINE_CHARACTERS):
            text = redaction.hide(held + part)
            is_cut = len(part) == MOST_LINE_CHARACTERS and not part.endswith("\n")
            # A secret that the cut divides is whole with what follows.
            ends = max(0, len(text) - redaction.longest) if is_cut else len(text)
            text, held = text[:ends], text[ends:]
            log(json.dumps({"level": "INFO", "handler": model, "line": text.rstrip("\r\n")}))
    if held:
        log(json.dumps({"level": "INFO", "handler": model, "line": held}))
