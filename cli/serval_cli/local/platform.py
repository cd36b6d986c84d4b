"""The local stage as a whole: bring it up, take it down, find out whether it runs."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace

from serval_cli.local import fleet_workers, server
from serval_cli.local.bring_up import BringUp
from serval_cli.local.machine_logs import machine_logs
from serval_cli.local.processes.started import StartedProcesses
from serval_cli.local.progress import Steps
from serval_cli.local.state_folder import Record, StateFolder
from serval_cli.local.toolchain import Toolchain

EPHEMERAL = (
    "The local stage is ephemeral: models, keys and results live in its memory, and are gone"
    " when it stops or is killed."
)
LASTING = (server.NAME, fleet_workers.NAME)


@dataclass(frozen=True, slots=True)
class Platform:
    """Brings up the stage of a state folder, and takes it down."""

    folder: StateFolder

    def up(
        self,
        steps: Steps,
        *,
        port: int | None = None,
        concurrency: int = server.INVOCATIONS,
        context: Mapping[str, str] | None = None,
    ) -> Mapping[str, str]:
        """Start and deploy what is not up to date, and return what ``local.json`` holds.

        A running stage is deployed again; it keeps its data, and its CDK context except for what
        ``context`` changes. On failure, everything started here is ended again.
        """
        toolchain = Toolchain.find()
        with self.folder.lock(), ExitStack() as kept:
            running = self.running()
            if running is None:
                self._remove_remains(steps)
            else:
                steps.note(f"Already up at {running.endpoint}: deploying what changed.")
            self.folder.logs.mkdir(exist_ok=True)
            if running is None:
                for log in machine_logs(self.folder).values():
                    log.unlink()
            if (record := running) is None:
                free = kept.enter_context(server.free_port(port))
                record = Record(f"http://{server.HOST}:{free}")
            record = replace(record, context={**record.context, **(context or {})})
            started = StartedProcesses(self.folder, record)
            bring_up = BringUp(steps, toolchain, self.folder, started, record)
            try:
                if running is None:
                    bring_up.start(concurrency)
                else:
                    bring_up.synthesise()
                return bring_up.deploy()
            except BaseException:
                started.end()
                if running is None:
                    self.folder.clear()
                raise

    def down(self) -> bool:
        """End every process that ``up`` started and remove its files, except its logs.

        Returns
        -------
        bool
            Whether there was anything to end.
        """
        with self.folder.lock():
            record = self.folder.read()
            self._end(record)
        return record is not None

    def running(self) -> Record | None:
        """Return the record of a stage that is up; None if there is none, or it was killed."""
        record = self.folder.read()
        if record is None or not record.functions:
            return None
        servers = [group for group in record.processes if group.name == server.NAME]
        return record if any(group.leads() for group in servers) else None

    def ended_processes(self) -> list[str]:
        """Name the long-running processes that have ended by themselves."""
        record = self.folder.read()
        lasting = [group for group in record.processes if group.name in LASTING] if record else []
        return [group.name for group in lasting if not group.leads()]

    def _remove_remains(self, steps: Steps) -> None:
        """Clear away what a killed platform left behind."""
        record = self.folder.read()
        if record is not None:
            steps.note(f"The platform at {record.endpoint} was killed: starting afresh.")
            steps.note(EPHEMERAL)
        self._end(record)

    def _end(self, record: Record | None) -> None:
        for group in reversed(record.processes if record else ()):
            group.end()
        self.folder.clear()
