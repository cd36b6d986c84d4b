"""The folder that holds the local stage's files, and the record of its processes."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from serval_cli.failures import CommandFailed
from serval_cli.local.processes.group import ProcessGroup

CHECKOUT = Path(__file__).resolve().parents[3]
"""The root of the code; it is a checkout only if the CDK app is in it."""
VARIABLE = "SERVAL_STATE"


class StateInUse(CommandFailed):
    """Another ``serval local`` command is working on the stage."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"another `serval local` command is at work in {folder}; wait for it")


class RecordDamaged(CommandFailed):
    """The record of what an earlier ``up`` started cannot be read."""

    def __init__(self, file: Path, problem: str) -> None:
        super().__init__(
            f"{file} is not what `serval local up` wrote ({problem}): end what still runs of the "
            "stage by its process id, and remove the file"
        )


def in_checkout() -> bool:
    """Return whether this command line runs from a checkout of Serval."""
    return (CHECKOUT / "app.py").is_file()


@dataclass(frozen=True, slots=True)
class Record:
    """What ``up`` started; the record outlives the command."""

    endpoint: str
    processes: tuple[ProcessGroup, ...] = ()
    functions: Mapping[str, str] = field(default_factory=dict)
    """Physical name of each function; empty until everything is deployed."""
    context: Mapping[str, str] = field(default_factory=dict)
    """Context of the CDK app, such as the folder of models; the next ``up`` keeps it."""

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a record."""
        document = json.loads(text)
        return cls(
            document["endpoint"],
            tuple(ProcessGroup.from_json(process) for process in document["processes"]),
            document["functions"],
            document.get("context", {}),
        )


@dataclass(frozen=True, slots=True)
class StateFolder:
    """``.serval`` in the checkout, else in the user's home, unless a variable names another."""

    path: Path

    @classmethod
    def locate(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Find the folder, which need not exist."""
        named = (os.environ if environ is None else environ).get(VARIABLE)
        home = CHECKOUT if in_checkout() else Path.home()
        return cls(Path(named).absolute() if named else home / ".serval")

    @property
    def local_json(self) -> Path:
        """How to reach the stage."""
        return self.path / "local.json"

    @property
    def chosen_stage(self) -> Path:
        """The stage that ``serval use`` chose."""
        return self.path / "stage"

    @property
    def logs(self) -> Path:
        """A log file for each step, kept when the stage goes down."""
        return self.path / "logs"

    @property
    def temporary(self) -> Path:
        """The emulator's temporary files."""
        return self.path / "temporary"

    @property
    def workers(self) -> Path:
        """The report of the workers' supervisor."""
        return self.path / "workers.json"

    @property
    def assembly(self) -> Path:
        """The synthesised stacks."""
        return self.path / "cdk.out"

    @property
    def _record(self) -> Path:
        return self.path / "platform.json"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Create the folder if necessary, and keep other commands out of it."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.path / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StateInUse(self.path) from None
            yield

    def read(self) -> Record | None:
        """Read the record of an earlier ``up``; None if nothing is left of one."""
        try:
            return Record.from_json(self._record.read_text())
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RecordDamaged(self._record, f"{type(error).__name__}: {error}") from None

    def write(self, record: Record) -> None:
        """Store the record."""
        self._replace(self._record, asdict(record))

    def write_local_json(self, document: Mapping[str, str]) -> None:
        """Write ``local.json``, readable only by its owner since it holds a key."""
        self._replace(self.local_json, document)

    def clear(self) -> None:
        """Remove everything except the logs."""
        for file in (self.local_json, self.workers, self._record):
            file.unlink(missing_ok=True)
        for folder in (self.temporary, self.assembly):
            shutil.rmtree(folder, ignore_errors=True)

    def _replace(self, file: Path, document: Mapping[str, Any]) -> None:
        partial = file.with_suffix(".partial")
        partial.touch(mode=0o600)
        partial.write_text(json.dumps(document, indent=2) + "\n")
        partial.replace(file)
