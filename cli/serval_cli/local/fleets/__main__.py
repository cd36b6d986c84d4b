"""Supervise the workers of a stage: ``python -m serval_cli.local.fleets SUPERVISION``."""

import logging
import signal
import sys
import threading

from serval.aws.dynamodb.fleet_states import FleetTable
from serval_cli.local.aws_client import CONFIG, create_session
from serval_cli.local.fleets.supervision import Supervision
from serval_cli.local.fleets.supervisor import Supervisor
from serval_cli.local.fleets.worker_metrics import WorkerMetrics


def main() -> None:
    """Run until SIGTERM, or until the emulator is gone."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    told = Supervision.from_json(sys.argv[1])
    ending = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: ending.set())
    resource = create_session().resource("dynamodb", endpoint_url=told.endpoint, config=CONFIG)
    cloudwatch = create_session().client("cloudwatch", endpoint_url=told.endpoint, config=CONFIG)
    states = FleetTable(resource.Table(told.registry_table))
    Supervisor(told, states, WorkerMetrics(cloudwatch), ending).run()


if __name__ == "__main__":
    main()
