"""Start the supervisor of the fleets' workers, and read its report."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from serval_cli.local import aws_client
from serval_cli.local.fleets.supervision import Supervision
from serval_cli.local.outputs import Outputs
from serval_cli.local.processes.started import StartedProcesses
from serval_cli.local.server import PYTHON_SOURCES
from serval_cli.local.state_folder import Record, StateFolder
from serval_cli.local.toolchain import Toolchain

NAME = "fleets"
LEASE_SECONDS = 6
"""Short, so that a killed worker is noticed soon."""
REPORT_SECONDS = 2
"""Short, so that a pause takes effect soon."""
STOP_SECONDS = 3
"""A worker that is reclaimed finishes what ends within it; a poll of its queues takes a second
less, and with several fleets those polls are what an idle stage spends most of its time on."""
END_SECONDS = STOP_SECONDS + 5.0
THREADS = 1
MEMORY_MIB = 2048
INDEX_PREFIXES = ("UV_", "PIP_", "SSL_CERT_")


def start(
    started: StartedProcesses,
    toolchain: Toolchain,
    folder: StateFolder,
    outputs: Outputs,
    endpoint: str,
) -> None:
    """Start the supervisor; its workers share its process group and end with it."""
    told = Supervision(
        endpoint=endpoint,
        registry_table=outputs.registry_table,
        fleets=outputs.fleets,
        command=toolchain.worker("work"),
        environment=environment(toolchain, folder, outputs, endpoint),
        roles=outputs.worker_roles,
        servers=outputs.local_servers,
        server_folders=folder.temporary / "servers",
        stop_seconds=STOP_SECONDS + 2,
        logs=folder.logs,
        status=folder.workers,
    )
    with (folder.logs / f"{NAME}.log").open("w") as output:
        started.start(
            NAME,
            [sys.executable, "-m", "serval_cli.local.fleets", told.to_json()],
            environment=aws_client.environment(endpoint) | {"PYTHONUNBUFFERED": "1"},
            folder=PYTHON_SOURCES,
            output=output,
        )


def environment(
    toolchain: Toolchain, folder: StateFolder, outputs: Outputs, endpoint: str
) -> dict[str, str]:
    """Return the environment of all workers, which takes no key from the caller's own."""
    kept = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "TZ": "UTC"}
    # How uv reaches the index from which it installs the packages of handlers.
    kept |= {name: own for name, own in os.environ.items() if name.startswith(INDEX_PREFIXES)}
    uv = Path(sys.executable).with_name("uv")
    return aws_client.environment(endpoint, kept) | {
        "HOME": str(folder.temporary),
        "TMPDIR": str(folder.temporary),
        "PYTHONPATH": str(toolchain.library),
        "PYTHONNOUSERSITE": "1",
        "PYTHONUNBUFFERED": "1",
        "STAGE": "local",
        "FLEETS": outputs.fleets.to_text(),
        "REGISTRY_TABLE": outputs.registry_table,
        "REQUESTS_TABLE": outputs.requests_table,
        "STREAMS_TABLE": outputs.streams_table,
        "JOBS_TABLE": outputs.jobs_table,
        "ARTIFACT_BUCKET": outputs.artifact_bucket,
        "DATA_BUCKET": outputs.data_bucket,
        "LEASE_SECONDS": str(LEASE_SECONDS),
        "REPORT_SECONDS": str(REPORT_SECONDS),
        "STOP_SECONDS": str(STOP_SECONDS),
        "THREADS": str(THREADS),
        "MEMORY_MIB": str(MEMORY_MIB),
        "UV": str(uv) if uv.exists() else "",
    }


def list_workers(folder: StateFolder, record: Record) -> list[dict[str, Any]]:
    """List the workers, or none if their supervisor has ended."""
    supervisors = [group for group in record.processes if group.name == NAME]
    if not any(group.leads() for group in supervisors) or not folder.workers.exists():
        return []
    workers: list[dict[str, Any]] = json.loads(folder.workers.read_text())
    return workers
