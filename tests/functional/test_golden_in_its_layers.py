"""``golden`` as it is deployed: its handler on the layers of ``infer``, a bucket behind HTTP."""

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.fakes.golden import CPU_CLASS, Bench, rows
from tests.fakes.inference import plus
from tests.functional.test_infer_starts_lean import HEAVY, ROOT

pytestmark = pytest.mark.slow

RUN = """
import json, sys, types
sys.path[:] = [path for path in sys.path if "site-packages" not in path]
sys.path[1:1] = {paths!r}
import handler
print(json.dumps(handler.handler(json.load(sys.stdin), types.SimpleNamespace(aws_request_id="r"))))
print(json.dumps(list(sys.modules)))
"""
PATHS = [
    ROOT / "functions/golden",
    ROOT / "layers/core/python",
    ROOT / "build/layers/local/inference/python",
]


class Objects(http.server.BaseHTTPRequestHandler):
    """Gives objects of the bench's bucket as S3 does, by key and version id."""

    protocol_version = "HTTP/1.1"
    bench: Bench

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        [version_id] = parse_qs(url.query).get("versionId", [None])
        body = self.bench.bucket.objects.get((url.path.removeprefix("/artifacts/"), version_id))
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def endpoint(bench: Bench) -> Iterator[str]:
    served = type("Served", (Objects,), {"bench": bench})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), served) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def invoke(endpoint: str, event: dict[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """Answer an event in an interpreter of its own; gives also what that imported."""
    assert PATHS[2].exists(), "run `make layers-aws`"
    run = subprocess.run(
        [sys.executable, "-I", "-c", RUN.format(paths=[str(path) for path in PATHS])],
        input=json.dumps(event),
        env={
            "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
            "AWS_ENDPOINT_URL": endpoint,
            "ARTIFACT_BUCKET": "artifacts",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    _, answer, modules = run.stdout.splitlines()
    return json.loads(answer), {name.split(".")[0] for name in json.loads(modules)}


def test_a_candidate_is_fetched_checked_and_measured(bench: Bench, endpoint: str) -> None:
    golden = rows([1.0, 2.0, 3.0, 4.0], [2.0, 3.0, 4.0, 5.0])
    event = bench.event(plus(1), golden, forms={"portable": (None, plus(1))})

    answer, modules = invoke(endpoint, event)

    report = answer["golden"]
    assert (answer["outcome"], report["form"], report["rows"]) == ("passed", "portable", 2)
    assert 0 < report["p50_ms"] <= report["p95_ms"]
    assert 20 < report["peak_memory_mib"] < 1769
    assert report["rows_per_second"] > 0
    assert not HEAVY & modules


def test_a_candidate_without_golden_requests_runs_on_made_up_ones(
    bench: Bench, endpoint: str
) -> None:
    answer, _ = invoke(endpoint, bench.event(plus(1), forms={"other": (CPU_CLASS, plus(2))}))
    assert answer["outcome"] == "passed"


def test_a_wrong_answer_is_refused(bench: Bench, endpoint: str) -> None:
    answer, _ = invoke(endpoint, bench.event(plus(1), rows([1.0, 2.0], [2.0, 9.0])))
    assert answer["outcome"] == "refused"
    assert "element [0, 1]: 3 given, 9 expected" in answer["reasons"][0]
