"""Call the HTTP API in both encodings, with and without keys, and with requests that it refuses."""

import gzip
import json
import struct

from serval_cli.smoke.bundles import LIGHT
from serval_cli.smoke.report import Report
from serval_cli.smoke.stages import SmokeStage

SETOSA, VIRGINICA = [5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]
INFER = f"/v2/models/{LIGHT}/infer"
OVER_LAMBDAS_LIMIT = 7_000_000


def build_request(*rows: list[float]) -> dict[str, object]:
    """Build an inference request for rows of four lengths."""
    values = [value for row in rows for value in row]
    tensor = {"name": "measurements", "datatype": "FP32", "shape": [len(rows), 4], "data": values}
    return {"inputs": [tensor]}


def call_api(stage: SmokeStage, report: Report, key: str) -> None:
    """Call every kind of realtime route, with good and bad requests."""
    with stage.client(key) as client:
        for path in ("/v2", "/v2/health/live", "/v2/health/ready", f"/v2/models/{LIGHT}"):
            report.expect(f"GET {path}", client.get(path).status_code, 200)
        reply = client.post(INFER, json=build_request(SETOSA, VIRGINICA))
        report.expect("inference in JSON", reply.json()["outputs"][0]["data"], [0, 2])
        report.line(f"       server-timing: {reply.headers['server-timing']}")
        head: dict[str, object] = {"name": "measurements", "datatype": "FP32", "shape": [1, 4]}
        head |= {"parameters": {"binary_data_size": 16}}
        encoded = json.dumps({"inputs": [head]}).encode()
        framed = {"inference-header-content-length": str(len(encoded))}
        body = encoded + struct.pack("<4f", *VIRGINICA)
        reply = client.post(INFER, content=body, headers=framed)
        report.expect("binary tensors without a Content-Type", first_label(reply.json()), 2)
        packed = gzip.compress(json.dumps(build_request(SETOSA)).encode())
        sent = {"content-type": "application/octet-stream", "content-encoding": "gzip"}
        reply = client.post(INFER, content=packed, headers=sent)
        report.expect("a gzip request", first_label(reply.json()), 0)
        async_path, patient = f"/async/models/{LIGHT}/infer", {"prefer": "wait=20"}
        document = client.post(async_path, json=build_request(SETOSA), headers=patient).json()
        report.expect("an async request", first_label(document.get("response", document)), 0)
        report.expect("an unknown path", client.get("/nowhere").status_code, 404)
        report.expect("an unknown model", client.get("/v2/models/nobody").status_code, 404)
        if not stage.on_laptop:  # the emulator has no such limit
            large = client.post(INFER, content=bytes(OVER_LAMBDAS_LIMIT))
            report.expect("a 7 MB body", large.status_code, 413)
    call_without_access(stage, report)


def call_without_access(stage: SmokeStage, report: Report) -> None:
    """Call without a key, with a wrong one, and with a key for another model."""
    scoped = stage.serval("keys", "create", "smoke-other", "--model", "nobody")["key"]
    for name, key, status in (
        ("no key", None, 401),
        ("a wrong key", "srv_wrong", 401),
        ("a key for another model", scoped, 403),
    ):
        with stage.client(key) as client:
            reply = client.post(INFER, json=build_request(SETOSA))
        report.expect(name, (reply.status_code, list(reply.json())), (status, ["error"]))


def first_label(answer: dict[str, object]) -> object:
    """Return the first label of an answer, or the answer itself if it is an error."""
    outputs = answer.get("outputs")
    return outputs[0]["data"][0] if isinstance(outputs, list) else answer
