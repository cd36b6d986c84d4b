"""Publish a first version, a canary under traffic, a rollback and a refused version."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from serval_cli.smoke.bundles import LIGHT
from serval_cli.smoke.realtime import INFER, SETOSA, build_request
from serval_cli.smoke.report import Report, await_value
from serval_cli.smoke.stages import SmokeStage

CALLERS = 4
ROLLBACK_SECONDS = 10
VERSION = "serval-model-version"


def publish(stage: SmokeStage, report: Report) -> None:
    """Publish the first version of the light model."""
    pushed = stage.serval("push", str(stage.bundles.write_light("1")), "--wait")
    report.expect("push: the first version is live", pushed["status"], "promoted")


def roll_out(stage: SmokeStage, report: Report, key: str) -> None:
    """Publish a second version under traffic, roll it back by hand, and have a third refused."""
    with traffic(stage, key) as answers:
        pushed = stage.serval("push", str(stage.bundles.write_light("2")), "--wait")
    report.expect("push: a canary is promoted", pushed["status"], "promoted")
    versions = {version for _, version in answers}
    failed = [status for status, _ in answers.elements() if status != 200]
    report.expect("both versions answered meanwhile", versions, {"1", "2"})
    report.expect(f"none of {answers.total()} requests failed", failed, [])
    stage.serval("rollback", LIGHT)
    with stage.client(key) as client:

        def back() -> bool:
            return bool(client.post(INFER, json=build_request(SETOSA)).headers.get(VERSION) == "1")

        await_value("version 1 answers again", back, ROLLBACK_SECONDS)
    report.verdict(f"rollback: version 1 answers within {ROLLBACK_SECONDS} s", True, "")
    run = stage.try_serval("push", str(stage.bundles.write_spoilt()), "--wait")
    refused = run.returncode == 1 and "golden.jsonl line 1" in run.stdout + run.stderr
    report.verdict("push: wrong golden answers are refused", refused, run.stdout + run.stderr)


@contextmanager
def traffic(stage: SmokeStage, key: str) -> Iterator["Counter[tuple[int, str]]"]:
    """Call the model until the context ends; yield the count of each status and version."""
    answers: Counter[tuple[int, str]] = Counter()
    lock, stop = threading.Lock(), threading.Event()

    def call() -> None:
        with stage.client(key) as client:
            while not stop.is_set():
                reply = client.post(INFER, json=build_request(SETOSA))
                with lock:
                    answers[reply.status_code, reply.headers.get(VERSION, "")] += 1

    threads = [threading.Thread(target=call) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in threads:
            thread.join()
