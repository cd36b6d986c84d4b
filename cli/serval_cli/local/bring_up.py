"""The steps of ``serval local up``, each shown while it runs."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from serval_cli.deploy.assembly import read_notes
from serval_cli.local import fleet_workers, layers, server
from serval_cli.local.access import await_answer, describe_access
from serval_cli.local.cdk import Cdk
from serval_cli.local.fleets.supervision import spot_fleets
from serval_cli.local.outputs import Outputs
from serval_cli.local.processes.started import StartedProcesses
from serval_cli.local.processes.step import StepProcesses
from serval_cli.local.progress import Steps
from serval_cli.local.state_folder import Record, StateFolder
from serval_cli.local.toolchain import Toolchain
from serval_cli.output import note


@dataclass(frozen=True, slots=True)
class BringUp:
    """Brings a stage up, or up to date."""

    steps: Steps
    toolchain: Toolchain
    folder: StateFolder
    started: StartedProcesses
    record: Record
    """Record of the stage as it was before."""

    @property
    def endpoint(self) -> str:
        """The address of the emulator, also before it starts."""
        return self.record.endpoint

    def start(self, concurrency: int) -> None:
        """Start and bootstrap the emulator while the CDK app is synthesised."""

        def serve() -> None:
            self._serve(concurrency)
            with self.steps.step("bootstrap: what CDK deployments need") as detail:
                self._cdk().bootstrap(detail)

        self._together(serve, self.synthesise)

    def synthesise(self) -> None:
        """Build the layers that changed and run the CDK app."""
        with self.steps.step("layers: build what changed"):
            layers.build(self._processes(), self.toolchain.checkout)
        with self.steps.step("synth: run the CDK app") as detail:
            self._cdk().synthesise(detail)
        for text in read_notes(self.folder.assembly):
            note(text)

    def deploy(self) -> Mapping[str, str]:
        """Deploy the stacks, check that they answer, and return what ``local.json`` holds."""
        with self.steps.step("deploy: the stacks, through CloudFormation") as detail:
            self._cdk().deploy(detail)
        outputs = Outputs.read(self.endpoint)
        reach = describe_access(self.folder, self.endpoint, outputs)
        with self.steps.step("answer: ask the API for its health"):
            await_answer(reach, self._server_log())
        self._start_workers(outputs)
        self.folder.write_local_json(reach)
        self.started.record_functions(outputs.functions)
        return reach

    def _start_workers(self, outputs: Outputs) -> None:
        """Start the workers' supervisor anew, so that workers run the current code."""
        self.started.end_earlier(fleet_workers.NAME, fleet_workers.END_SECONDS)
        if spot_fleets(outputs.fleets):
            with self.steps.step("fleets: let their workers come and go"):
                fleet_workers.start(
                    self.started, self.toolchain, self.folder, outputs, self.endpoint
                )

    def _serve(self, concurrency: int) -> None:
        with self.steps.step("server: start the AWS emulator"):
            server.start(
                self.started,
                self.toolchain,
                port=int(self.endpoint.rpartition(":")[2]),
                temporary=self.folder.temporary,
                log=self._server_log(),
                concurrency=concurrency,
            )

    def _together(self, *tasks: Callable[[], None]) -> None:
        """Run tasks concurrently; if one fails, end what the others started."""
        with ThreadPoolExecutor(len(tasks)) as pool:
            try:
                for task in as_completed([pool.submit(task) for task in tasks]):
                    task.result()
            except BaseException:
                self.started.end()
                raise

    def _cdk(self) -> Cdk:
        return Cdk(
            self.toolchain, self.folder, self._processes(), self.endpoint, self.record.context
        )

    def _processes(self) -> StepProcesses:
        return StepProcesses(self.started, self.folder.logs)

    def _server_log(self) -> Path:
        return self.folder.logs / f"{server.NAME}.log"
