"""Read texts while they are written: of a light model, and of a request on a fleet, cut off midway.

Specification: HTML, "Server-sent events" (``text/event-stream``, ``Last-Event-ID``).
"""

import json
from collections.abc import Iterable, Iterator, Mapping

from serval_cli.smoke.bundles import WRITER, WRITER_ON_FLEET
from serval_cli.smoke.generator import START, TEXT, TOKENS
from serval_cli.smoke.heavy import WAKING_SECONDS
from serval_cli.smoke.report import Report, await_value
from serval_cli.smoke.stages import SmokeStage

EVENT_STREAM = "text/event-stream"
READ_BEFORE_CUT = 5
"""Events that a reader has when it is cut off."""


def read_light(stage: SmokeStage, report: Report, key: str) -> None:
    """Publish the light generator, and read a text of it token by token."""
    pushed = stage.serval("push", str(stage.bundles.folder / WRITER), "--wait")
    report.expect("push: the generator is live", pushed["status"], "promoted")
    body = {"inputs": START, "stream": True}
    with (
        stage.client(key) as client,
        client.stream("POST", f"/models/{WRITER}", json=body, follow_redirects=True) as reply,
    ):
        kind = reply.headers.get("content-type", "")
        report.expect("a text comes as events", (reply.status_code, kind), (200, EVENT_STREAM))
        pieces = [json.loads(event["data"]) for event in read_events(reply.iter_lines())]
    report.expect("an event for each token", len(pieces), TOKENS)
    report.expect("the last one has the text", pieces[-1].get("generated_text"), TEXT)


def read_on_fleet(stage: SmokeStage, report: Report, key: str) -> None:
    """Follow a request's text, hang up, and go on by ``Last-Event-ID``."""
    pushed = stage.serval("push", str(stage.bundles.folder / WRITER_ON_FLEET), "--wait")
    report.expect("push: the fleet's generator is live", pushed["status"], "promoted")
    text = {"name": "text", "datatype": "BYTES", "shape": [1], "data": [START]}
    with stage.client(key) as client:
        submitted = client.post(
            f"/async/models/{WRITER_ON_FLEET}/infer?stream=true", json={"inputs": [text]}
        )
        report.expect("a stream is submitted", submitted.status_code, 202)
        path = f"/async/requests/{submitted.json()['id']}/events"

        def first_events() -> list[Mapping[str, str]]:
            with client.stream("GET", path) as reply:
                events = read_events(reply.iter_lines())
                return [event for event, _ in zip(events, range(READ_BEFORE_CUT), strict=False)]

        read = await_value("the fleet begins the text", first_events, WAKING_SECONDS)
        before = len(read)

        def rest_of_events() -> bool:
            last = {"last-event-id": read[-1]["id"]}
            with client.stream("GET", path, headers=last) as reply:
                read.extend(read_events(reply.iter_lines()))
            return read[-1].get("event") == "end"

        await_value("the text ends", rest_of_events, WAKING_SECONDS)
        report.verdict("a reader hung up midway", before < len(read), f"{before} of {len(read)}")
        tokens = [event for event in read if event.get("event") == "token"]
        numbers = [event["id"] for event in tokens]
        wanted = [str(number) for number in range(1, TOKENS + 1)]
        report.expect("each token came once, in order", numbers, wanted)
        together = "".join(json.loads(event["data"])["text"] for event in tokens)
        report.expect("they are the whole text", together, TEXT)
        report.expect("its end is told", json.loads(read[-1]["data"])["status"], "succeeded")
        result = client.get(path.removesuffix("/events")).json()
        report.expect("the result has the same text", result_text(result), TEXT)


def read_events(lines: Iterable[str]) -> Iterator[dict[str, str]]:
    """Yield the fields of each event that has data."""
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        else:
            if "data" in fields:
                yield fields
            fields = {}


def result_text(document: Mapping[str, object]) -> object:
    """Return the text of a request's result, or the document if it has none."""
    response = document.get("response")
    if not isinstance(response, dict):
        return document
    return json.loads(response["outputs"][0]["data"][0])["generated_text"]
