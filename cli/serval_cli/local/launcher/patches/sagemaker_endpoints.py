"""Add SageMaker's async endpoints to the emulator: resource types, API, local servers."""

import threading
import time
from collections.abc import Callable, Mapping

from serval_cli.local.launcher.emulator import Emulator
from serval_cli.local.launcher.patches.functions.embedded_metrics import store_metrics
from serval_cli.local.launcher.sagemaker import server
from serval_cli.local.launcher.sagemaker.definition import Declared, Definition
from serval_cli.local.launcher.sagemaker.endpoint import Endpoint, Storages
from serval_cli.local.launcher.sagemaker.resources import ResourceType
from serval_cli.local.launcher.sagemaker.server import Program, Server
from serval_cli.local.launcher.sagemaker.service import Service

Credentials = Callable[[str, str], Mapping[str, str]]
"""Returns credentials of a role, given by its ARN, for a named user, as variables."""
NAMES = (
    "app/SERVICE_HANDLERS",
    "cloudwatch/_evaluate_all_alarms",
    "cloudwatch/_store_datum",
    "provisioners/_RESOURCE_HANDLERS",
    "provisioners/_physical_name",
    "provisioners/get_account_id",
    "provisioners/get_region",
    "router/SERVICE_PATTERNS",
)
TYPES = {
    "model": ("AWS::SageMaker::Model", "ModelName"),
    "endpoint-config": ("AWS::SageMaker::EndpointConfig", "EndpointConfigName"),
    "endpoint": ("AWS::SageMaker::Endpoint", "EndpointName"),
}
"""Kind → its resource type, and the property that holds a resource's name."""
IDLE_SECONDS, WATCH_SECONDS = 60.0, 1.0


class Endpoints:
    """The endpoints of the stage and their servers."""

    def __init__(
        self,
        program: Program,
        storages: Storages,
        credentials: Credentials,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._program, self._storages, self._credentials = program, storages, credentials
        self._idle_seconds = idle_seconds
        self._service: Service | None = None

    def serve(self, emulator: Emulator) -> None:
        """Add the resource types and the service to the emulator."""
        provisioners = emulator.provisioners

        def arn(kind: str, name: str) -> str:
            region, account = provisioners.get_region(), provisioners.get_account_id()
            return f"arn:aws:sagemaker:{region}:{account}:{kind}/{name}"

        def start(name: str, definition: Definition) -> Server:
            return server.start(
                name,
                self._program,
                {**definition.environment, **self._credentials(definition.role, name)},
                lambda line: store_metrics(emulator.cloudwatch, line),
            )

        def make(name: str) -> Endpoint:
            return Endpoint(
                name,
                lambda: declared.define(name),
                lambda definition: start(name, definition),
                self._storages,
            )

        declared = Declared()
        self._service = service = Service(declared, arn, make)
        for kind, (type_, name_property) in TYPES.items():
            removed = service.remove if kind == "endpoint" else lambda name: None
            provisioners._RESOURCE_HANDLERS[type_] = ResourceType(
                declared, kind, name_property, arn, provisioners._physical_name, removed
            ).handlers()
        emulator.app.SERVICE_HANDLERS["sagemaker"] = service.handle
        emulator.router.SERVICE_PATTERNS["sagemaker"] = {"target_prefixes": ["SageMaker."]}

    def watch(self) -> None:
        """Stop idle servers from now on, in a thread."""
        threading.Thread(target=self._watch, daemon=True, name="endpoints").start()

    def stop(self) -> None:
        """End every server."""
        for endpoint in list(self._service.endpoints.values()) if self._service else ():
            endpoint.stop()

    def _watch(self) -> None:
        while self._service is not None:
            for endpoint in list(self._service.endpoints.values()):
                endpoint.rest(self._idle_seconds)
            time.sleep(WATCH_SECONDS)


def apply(emulator: Emulator, endpoints: Endpoints) -> None:
    """Serve endpoints, whose servers start at their first invocation."""
    endpoints.serve(emulator)
    endpoints.watch()
