"""Run the emulator, patched: ``python -m serval_cli.local.launcher``."""

import argparse
import os
import sys
import tempfile
from functools import partial
from pathlib import Path

from serval_cli.local.launcher.emulator import Emulator, WrongEmulator
from serval_cli.local.launcher.iam.authority import Authority
from serval_cli.local.launcher.iam.report import Report
from serval_cli.local.launcher.iam.sessions import Sessions
from serval_cli.local.launcher.patches import (
    bucket_tags,
    cors,
    custom_resources,
    delivery_rights,
    enforcement,
    expiry,
    long_poll,
    machine_rights,
    map_limits,
    missing_objects,
    retention,
    routes,
    sagemaker_endpoints,
    scaling_targets,
    scheduled_times,
    task_credentials,
    version_ranges,
    web_server,
)
from serval_cli.local.launcher.patches.functions import (
    concurrency,
    embedded_metrics,
    execution_limits,
    failures,
    interpreters,
    layers,
    logs_wait,
    response_limit,
    streams,
)
from serval_cli.local.launcher.patches.sagemaker_endpoints import Endpoints
from serval_cli.local.launcher.sagemaker.server import Program
from serval_cli.local.launcher.sagemaker.storage import Storage

PATCHES = (
    interpreters,
    logs_wait,
    long_poll,
    map_limits,
    routes,
    execution_limits,
    failures,
    response_limit,
    streams,
    concurrency,
    embedded_metrics,
    enforcement,
    machine_rights,
    delivery_rights,
    missing_objects,
    retention,
    expiry,
    cors,
    bucket_tags,
    custom_resources,
    layers,
    sagemaker_endpoints,
    scaling_targets,
    scheduled_times,
    task_credentials,
    version_ranges,
    web_server,
)


def load() -> Emulator:
    """Import the emulator, or raise ``WrongEmulator`` if the patches do not fit it."""
    emulator = Emulator.load()
    emulator.require(name for patch in PATCHES for name in patch.NAMES)
    return emulator


def patch(
    emulator: Emulator,
    options: argparse.Namespace,
    endpoints: Endpoints,
    authority: Authority,
    sessions: Sessions,
) -> None:
    """Apply every patch."""
    interpreters.apply(emulator, dict(options.python))
    logs_wait.apply(emulator)
    long_poll.apply(emulator)
    map_limits.apply(emulator)
    execution_limits.apply(emulator)
    failures.apply(emulator)
    response_limit.apply(emulator)
    streams.apply(emulator)
    concurrency.apply(emulator, options.concurrency)
    retention.apply(emulator)
    expiry.apply(emulator)
    embedded_metrics.apply(emulator)
    enforcement.apply(emulator, authority)
    machine_rights.apply(emulator, authority)
    delivery_rights.apply(emulator, authority)
    missing_objects.apply(emulator)
    version_ranges.apply(emulator)
    cors.apply(emulator)
    routes.apply(emulator)
    bucket_tags.apply(emulator)
    custom_resources.apply(emulator)
    layers.apply(emulator, Path(tempfile.gettempdir()) / "layers")
    sagemaker_endpoints.apply(emulator, endpoints)
    scaling_targets.apply(emulator)
    scheduled_times.apply(emulator)
    task_credentials.apply(emulator, sessions)
    web_server.apply(emulator)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="serval_cli.local.launcher", description=__doc__)
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="RUNTIME=PATH",
        type=lambda text: text.split("=", 1),
        help="interpreter of a runtime's functions",
    )
    parser.add_argument(
        "--concurrency",
        type=int,
        required=True,
        help="invocations of a function at a time; more wait",
    )
    parser.add_argument(
        "--server",
        required=True,
        type=Program.from_json,
        metavar="JSON",
        help="what runs instead of an endpoint's image: command, environment, logs",
    )
    parser.add_argument(
        "--permissions",
        required=True,
        type=Path,
        metavar="FILE",
        help="where to write what roles are granted and use",
    )
    return parser.parse_args()


def main() -> None:
    """Serve until a signal arrives, then end every worker."""
    options = arguments()
    sys.argv[1:] = []  # the emulator parses them too
    try:
        emulator = load()
    except WrongEmulator as error:
        raise SystemExit(str(error)) from None
    authority, sessions = Authority(emulator), Sessions(emulator.sts)

    def storage(role: str) -> Storage:
        return Storage(
            options.server.environment["AWS_ENDPOINT_URL"], partial(authority.check_role, role)
        )

    endpoints = Endpoints(options.server, storage, sessions.environment)
    patch(emulator, options, endpoints, authority, sessions)
    report = Report(options.permissions, authority.ledger, authority.policies.grants_of)
    report.follow()
    try:
        emulator.app.main()
    finally:
        endpoints.stop()
        emulator.lambda_runtime.reset()
        report.write()
        sys.stdout.flush()
        # Not by return: a thread waiting for a custom resource would keep the process alive.
        os._exit(0)


if __name__ == "__main__":
    main()
