"""The laptop stage as a whole: up, down, and what is known of it."""

import json
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

import httpx

from serval.aws.keys import ApiKeyStore
from serval.keys import ALL_MODELS
from serval_cli.local import server
from serval_cli.local.aws_client import CONFIG, REGION, session
from serval_cli.local.cdk import Cdk
from serval_cli.local.log_files import StepFailed
from serval_cli.local.outputs import Outputs
from serval_cli.local.progress import Steps
from serval_cli.local.started import StartedProcesses
from serval_cli.local.state_folder import Record, StateFolder
from serval_cli.local.toolchain import Toolchain

EPHEMERAL = (
    "The laptop stage is ephemeral: models, keys and results live in its memory, and are gone"
    " when it stops or is killed."
)
ANSWER_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Platform:
    """Brings the stage up in a state folder, and down again."""

    folder: StateFolder

    def up(
        self, steps: Steps, *, port: int | None = None, concurrency: int = 8
    ) -> Mapping[str, str]:
        """Start and deploy what is not up to date yet; gives what ``local.json`` holds.

        A stage that runs is deployed again and keeps what it stores. If anything fails, what was
        started here is ended again.
        """
        toolchain = Toolchain.find()
        with self.folder.locked():
            self.folder.logs.mkdir(exist_ok=True)
            record = self.running()
            fresh = record is None
            if record is None:
                self._remove_remains(steps)
                record = Record(f"http://{server.HOST}:{server.free_port(port)}")
            else:
                steps.note(f"Already up at {record.endpoint}: deploying what changed.")
            started = StartedProcesses(self.folder, record)
            cdk = Cdk(toolchain, self.folder, started, record.endpoint)
            try:
                if fresh:
                    self._start(steps, cdk, started, toolchain, record.endpoint, concurrency)
                else:
                    with steps.step("synth: run the CDK app") as detail:
                        cdk.synthesise(detail)
                with steps.step("deploy: the stacks, through CloudFormation") as detail:
                    cdk.deploy(detail)
                return self._introduce(steps, started, record.endpoint)
            except BaseException:
                started.end()
                if fresh:
                    self.folder.clear()
                raise

    def down(self) -> bool:
        """End every process that ``up`` started and remove its files, but not its logs.

        Returns
        -------
        bool
            Whether there was anything to end.
        """
        with self.folder.locked():
            record = self.folder.read()
            for group in reversed(record.processes if record else ()):
                group.end()
            self.folder.clear()
        return record is not None

    def running(self) -> Record | None:
        """Give the record of a stage that is up; None if there is none, or it was killed."""
        record = self.folder.read()
        if record is None or not record.functions:
            return None
        servers = [group for group in record.processes if group.name == server.NAME]
        return record if any(group.leads() for group in servers) else None

    def _remove_remains(self, steps: Steps) -> None:
        """Clear away what a killed platform left behind."""
        record = self.folder.read()
        if record is not None:
            steps.note(f"The platform at {record.endpoint} was killed: starting afresh.")
            steps.note(EPHEMERAL)
            for group in reversed(record.processes):
                group.end()
        self.folder.clear()

    def _start(
        self,
        steps: Steps,
        cdk: Cdk,
        started: StartedProcesses,
        toolchain: Toolchain,
        endpoint: str,
        concurrency: int,
    ) -> None:
        """Start and bootstrap the emulator while the CDK app is synthesised."""

        def serve() -> subprocess.Popen[str]:
            with steps.step("server: start the AWS emulator"):
                process = server.start(
                    started,
                    toolchain,
                    port=int(endpoint.rpartition(":")[2]),
                    temporary=self.folder.temporary,
                    log=self.folder.logs / "server.log",
                    concurrency=concurrency,
                )
            with steps.step("bootstrap: what CDK deployments need") as detail:
                cdk.bootstrap(detail)
            return process

        def synthesise() -> None:
            with steps.step("synth: run the CDK app") as detail:
                cdk.synthesise(detail)

        with ThreadPoolExecutor(2) as pool:
            try:
                for step in as_completed([pool.submit(serve), pool.submit(synthesise)]):
                    step.result()
            except BaseException:
                started.end()
                raise

    def _introduce(
        self, steps: Steps, started: StartedProcesses, endpoint: str
    ) -> Mapping[str, str]:
        """Say how to reach the deployed stage, and see that it answers."""
        outputs = Outputs.read(endpoint)
        access = {
            "api_url": outputs.api_url(endpoint),
            "api_key": self._api_key(endpoint, outputs.registry_table),
            "aws_endpoint_url": endpoint,
            "region": REGION,
            "artifact_bucket": outputs.artifact_bucket,
            "data_bucket": outputs.data_bucket,
        }
        with steps.step("answer: ask the API for its health"):
            self._await_answer(access)
        started.deployed(outputs.functions)
        self.folder.write_local_json(access)
        return access

    def _api_key(self, endpoint: str, registry_table: str) -> str:
        """Keep the key of a stage that was up before, or create one."""
        if self.folder.local_json.exists():
            return str(json.loads(self.folder.local_json.read_text())["api_key"])
        resource = session().resource("dynamodb", endpoint_url=endpoint, config=CONFIG)
        text, _ = ApiKeyStore(resource.Table(registry_table)).create("local", [ALL_MODELS])
        return text

    def _await_answer(self, access: Mapping[str, str]) -> None:
        """Call the API once, which also starts its first worker."""
        url = f"{access['api_url']}/v2/health/live"
        answer = httpx.get(
            url,
            headers={"authorization": f"Bearer {access['api_key']}"},
            timeout=ANSWER_SECONDS,
            trust_env=False,
        )
        if not answer.is_success:
            reason = f"{url} answered {answer.status_code}: {answer.text[:500]}"
            raise StepFailed("answer", self.folder.logs / "server.log", reason)
