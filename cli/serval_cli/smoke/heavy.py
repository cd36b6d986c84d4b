"""Send async requests to a model on a fleet, and wait for one over V2."""

import uuid
from typing import Any

from serval_cli.smoke.bundles import HEAVY
from serval_cli.smoke.realtime import SETOSA, VIRGINICA, build_request, first_label
from serval_cli.smoke.report import Report, await_value
from serval_cli.smoke.stages import SmokeStage

FINAL = {"succeeded", "failed", "cancelled"}
WAKING_SECONDS = 900
"""A machine has to be found, boot, and pull the worker's image."""


def run_heavy(stage: SmokeStage, report: Report, key: str) -> None:
    """Publish the fleet model; submit, repeat, cancel and wait."""
    pushed = stage.serval("push", str(stage.bundles.folder / HEAVY), "--wait")
    report.expect("push: the fleet model is live", pushed["status"], "promoted")
    with stage.client(key) as client:

        def document(path: str) -> dict[str, Any]:
            found: dict[str, Any] = client.get(path).json()
            return found

        def final_document(path: str) -> dict[str, Any] | None:
            found = document(path)
            return found if found.get("status") in FINAL else None

        path = f"/async/requests/smoke-{uuid.uuid4().hex[:12]}"
        first = {"model": HEAVY, "request": build_request(SETOSA)}
        report.expect("PUT: accepted", client.put(path, json=first).status_code, 202)
        again = client.put(path, json=first).status_code
        report.verdict("PUT again: the same request", again in {200, 202}, str(again))
        other = client.put(path, json={"model": HEAVY, "request": build_request(VIRGINICA)})
        report.expect("PUT of something else: a conflict", other.status_code, 409)
        done = await_value(
            "the fleet wakes and answers", lambda: final_document(path), WAKING_SECONDS
        )
        report.expect("the async request's answer", first_label(done.get("response", done)), 0)
        report.expect("it took one attempt", done["attempts"], 1)
        unwanted = client.post(f"/async/models/{HEAVY}/infer", json=build_request(SETOSA))
        gone = client.delete(f"/async/requests/{unwanted.json()['id']}")
        report.verdict(
            "DELETE: cancelled, or done already", gone.status_code in {200, 409}, gone.text
        )
        waited = client.post(f"/v2/models/{HEAVY}/infer", json=build_request(VIRGINICA))
        report.expect("V2 waits for the answer", first_label(waited.json()), 2)
    fleets = stage.serval("fleets")["fleets"]
    report.line("       fleet: " + "; ".join(f"{one['name']}: {one['reason']}" for one in fleets))
