"""Run every flow of Serval once on a stage made for it, and leave nothing behind.

::

    bash docs/cloud-smoke.sh [--stage NAME] [--no-fleet] [--keep]
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from serval_cli.failures import CommandFailed
from serval_cli.smoke import heavy, realtime, rollouts, streams, versions
from serval_cli.smoke.batch import BatchFlow
from serval_cli.smoke.bundles import LIGHT, SmokeBundles
from serval_cli.smoke.report import Report
from serval_cli.smoke.stages import CHECKOUT, SmokeStage
from serval_cli.stages.aws_failures import explain_aws
from serval_cli.stages.choice import LOCAL


def main(arguments: Sequence[str] | None = None) -> None:
    """Deploy, run the flows, destroy; exit with 1 if any check failed."""
    options = read_arguments(arguments)
    source = CHECKOUT / "models" / LIGHT
    if not (source / "model.onnx").exists():
        sys.exit(f"{source} is not built: run `make models`")
    report, started = Report(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="serval-smoke-") as folder:
        bundles = SmokeBundles(source, Path(folder) / "models")
        stage = SmokeStage(options.stage, Path(folder), bundles)
        bundles.write(with_fleet=options.fleet)
        try:
            stage.refuse_one_in_use()
        except (CommandFailed, BotoCoreError, ClientError) as error:
            sys.exit(explain_aws(error) or str(error))
        try:
            with report.flow(f"deploy stage {stage.name!r}"):
                stage.deploy()
            run_flows(stage, report, with_fleet=options.fleet)
        except CommandFailed as error:
            report.verdict("the stage", False, str(error))
        finally:
            if not options.keep:
                with report.flow("destroy"):
                    stage.destroy()
    report.line(
        f"\n{report.checks - len(report.failures)} of {report.checks} checks hold on stage "
        f"{options.stage!r}, {time.monotonic() - started:.0f} s"
    )
    if report.failures:
        sys.exit("WRONG: " + "; ".join(report.failures))


def run_flows(stage: SmokeStage, report: Report, *, with_fleet: bool) -> None:
    """Run each flow; a broken one does not stop the others."""
    with report.flow("versions"):
        versions.print_versions(stage, report)
    with report.flow("publish"):
        rollouts.publish(stage, report)
    key = str(stage.serval("keys", "create", "smoke")["key"])
    with report.flow("realtime"):
        realtime.call_api(stage, report, key)
    with report.flow("batch"):
        batch = BatchFlow(stage, report, key)
        batch.call()
        batch.upload()
    if with_fleet:
        with report.flow("fleet"):
            heavy.run_heavy(stage, report, key)
    with report.flow("streams"):
        streams.read_light(stage, report, key)
        if with_fleet:
            streams.read_on_fleet(stage, report, key)
    with report.flow("rollouts"):
        rollouts.roll_out(stage, report, key)
    with report.flow("schedule"):
        BatchFlow(stage, report, key).schedule_job()


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="docs/cloud-smoke.sh", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--stage",
        default="smoke",
        help=f"name of the stage to make; {LOCAL!r} is this machine (default: %(default)s)",
    )
    parser.add_argument(
        "--no-fleet",
        dest="fleet",
        action="store_false",
        help="leave the fleet out: no Docker, no machine",
    )
    parser.add_argument("--keep", action="store_true", help="leave the stage there")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
