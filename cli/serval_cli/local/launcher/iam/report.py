"""Keep a report file on what roles are granted and use."""

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from serval_cli.local.launcher.iam.ledger import Grant, Ledger

WRITE_SECONDS = 1.0
ROLES = "serval-"
"""Prefix of the stage's roles; the others belong to CDK."""
Granted = Callable[[str], Mapping[str, Iterable[Grant]]]


class Report:
    """Rewrites the file when something new was used or refused."""

    def __init__(self, file: Path, ledger: Ledger, granted: Granted) -> None:
        self._file, self._ledger, self._granted = file, ledger, granted
        self._written = -1

    def follow(self) -> None:
        """Keep the file up to date in a thread."""
        threading.Thread(target=self._follow, daemon=True, name="permissions").start()

    def write(self) -> None:
        """Write the file if anything is new."""
        changes = self._ledger.changes
        if changes == self._written:
            return
        partial = self._file.with_suffix(".partial")
        partial.write_text(json.dumps(self._ledger.report(self._granted(ROLES)), indent=2) + "\n")
        partial.replace(self._file)
        self._written = changes

    def _follow(self) -> None:
        while True:
            time.sleep(WRITE_SECONDS)
            self.write()
