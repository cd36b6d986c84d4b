"""Read JSON from a file or from standard input."""

import json
import sys
from pathlib import Path
from typing import Any

from serval_cli.failures import CommandFailed

STDIN = Path("-")
TABLES = "`serval batch run MODEL FILE` takes tables"


def read_json(path: Path) -> Any:
    """Read a JSON file; ``-`` is standard input."""
    name = "standard input" if path == STDIN else str(path)
    raw = sys.stdin.buffer.read() if path == STDIN else path.read_bytes()
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        table = f"; {TABLES}" if path.suffix in (".csv", ".tsv", ".parquet") else ""
        raise CommandFailed(f"{name} is not JSON: {error}{table}") from None
