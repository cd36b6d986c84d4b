"""Run the emulator, patched: ``python -m serval_cli.local.launcher``."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from serval_cli.local.launcher import (
    bucket_tags,
    concurrency,
    cors,
    custom_resources,
    embedded_metrics,
    enforcement,
    failures,
    interpreters,
    layers,
    logs_wait,
    long_poll,
    map_limits,
    options_requests,
    response_limit,
    sagemaker_endpoints,
    scaling_targets,
    scheduled_times,
    shutdown,
)
from serval_cli.local.launcher.emulator import Emulator, WrongEmulator
from serval_cli.local.launcher.iam.authority import Authority
from serval_cli.local.launcher.iam.report import Report
from serval_cli.local.launcher.sagemaker.server import Program
from serval_cli.local.launcher.sagemaker.storage import Storage
from serval_cli.local.launcher.sagemaker_endpoints import Endpoints

PATCHES = (
    interpreters,
    logs_wait,
    long_poll,
    map_limits,
    options_requests,
    failures,
    response_limit,
    concurrency,
    embedded_metrics,
    enforcement,
    cors,
    bucket_tags,
    custom_resources,
    layers,
    sagemaker_endpoints,
    scaling_targets,
    scheduled_times,
    shutdown,
)


def load() -> Emulator:
    """Import the emulator, or raise ``WrongEmulator`` if the patches do not fit it."""
    emulator = Emulator.load()
    emulator.require(name for patch in PATCHES for name in patch.NAMES)
    return emulator


def patch(
    emulator: Emulator, options: argparse.Namespace, endpoints: Endpoints, authority: Authority
) -> None:
    """Close the emulator's gaps."""
    interpreters.apply(emulator, dict(options.python))
    logs_wait.apply(emulator)
    long_poll.apply(emulator)
    map_limits.apply(emulator)
    failures.apply(emulator)
    response_limit.apply(emulator)
    concurrency.apply(emulator, options.concurrency)
    embedded_metrics.apply(emulator)
    enforcement.apply(emulator, authority)
    cors.apply(emulator)
    options_requests.apply(emulator)
    bucket_tags.apply(emulator)
    custom_resources.apply(emulator)
    layers.apply(emulator, Path(tempfile.gettempdir()) / "layers")
    sagemaker_endpoints.apply(emulator, endpoints)
    scaling_targets.apply(emulator)
    scheduled_times.apply(emulator)
    shutdown.apply(emulator)


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
        default=8,
        help="invocations of a function at a time; more wait (default: %(default)s)",
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
    """Serve until a signal ends it, and then leave no worker behind."""
    options = arguments()
    endpoints = Endpoints(options.server, Storage(options.server.environment["AWS_ENDPOINT_URL"]))
    sys.argv[1:] = []  # the emulator reads them too
    try:
        emulator = load()
    except WrongEmulator as error:
        raise SystemExit(str(error)) from None
    authority = Authority(emulator)
    patch(emulator, options, endpoints, authority)
    report = Report(options.permissions, authority.ledger, authority.policies.granted)
    report.follow()
    try:
        emulator.app.main()
    finally:
        endpoints.stop()
        emulator.lambda_runtime.reset()
        report.write()
        sys.stdout.flush()
        # Not by return: a thread that waits for a custom resource would hold the process.
        os._exit(0)


if __name__ == "__main__":
    main()
