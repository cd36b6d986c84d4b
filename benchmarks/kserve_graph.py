"""KServe's InferenceGraph router in front of three models of its model server.

``KSERVE_ROUTER`` is the path of its binary, ``cmd/router`` of https://github.com/kserve/kserve,
which listens at port 8080; without it, nothing of KServe is measured.
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from benchmarks.starts import connect, free_port, kserve_command, post, running_until_killed
from tests.fakes.inference import plus

ROUTER = os.environ.get("KSERVE_ROUTER")
ROUTER_PORT = 8080
STEPS = ("m1", "m2", "m3")
BODY = json.dumps({"instances": [[1, 2]]})


@contextmanager
def kserve_graph() -> Iterator[Mapping[str, Callable[[], object]]]:
    """Yield the calls to time, by what they do; none without a router."""
    if ROUTER is None:
        yield {}
        return
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        model_file, port = Path(folder) / "model.onnx", free_port()
        model_file.write_bytes(plus(1))
        command = kserve_command(port, model_file, *STEPS)
        server = stack.enter_context(running_until_killed(command))
        direct = stack.enter_context(contextlib.closing(connect(server, port)))
        paths = [f"/v1/models/{step}:predict" for step in STEPS]
        steps = [
            {"serviceUrl": f"http://127.0.0.1:{port}{path}", "data": "$response"} for path in paths
        ]
        graph = {"nodes": {"root": {"routerType": "Sequence", "steps": steps}}}
        command = [ROUTER, "--graph-json", json.dumps(graph)]
        settings = {"PROPAGATE_HEADERS": "(?i)content-type"}
        router = stack.enter_context(running_until_killed(command, settings))
        routed = stack.enter_context(contextlib.closing(connect(router, ROUTER_PORT)))
        yield {
            "KServe's server asked for three models": lambda: [
                post(direct, BODY, path) for path in paths
            ],
            "the same through KServe's router": partial(post, routed, BODY, "/"),
        }
