"""Whatever outlives a call is listed here with what it is kept by: a new one is thought about.

A value that depends on more than its key is another job's, version's or caller's sooner or later.
``tests/unit/test_caches.py`` and the tests of each module ask in both orders.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

LIBRARY = Path(__file__).parents[2] / "layers/core/python/serval"
HOLDS = ("dict", "OrderedDict", "WeakValueDictionary", "set")
KEPT = {
    # Of the library's machine, or of nothing but itself.
    "cpu.cpu_class": "the machine",
    "connections.tls_context": "the machine",
    "bootstrap/describe.cloudwatch": "the environment's region",
    "worker/threads.Threads._threads": "name of the thread",
    # What is immutable once it is there.
    "aws/queue_batches.QueueUrls.found": "name of the queue",
    "batch/work.ShardWork.layouts": "job and attempt: a job that is tried again keeps its plan",
    "requests/door.Door._seen": "model and version",
    "fleets/routing.Routing._versions": "model and version",
    "worker/versions.KnownVersions._records": "model and version",
    "worker/versions.KnownVersions._unshared": "model and version",
    "worker/gathering.Gathering._unshared": "model and version",
    "worker/server_folder.ServerFolder._sizes": "model and version",
    "worker/server_folder.ServerFolder._users": "model and version",
    "loaded.LoadedVersions._held": "model and version; the CPU class is the process's",
    # What is looked up again after seconds.
    "admission.Admission._routes": "model",
    "authentication.Authenticator._seen": "hash of the API key",
    "fleets/routing.Routing._routes": "model",
    "fleets/dispatching.Dispatching._capacities": "fleet",
    "fleets/control.FleetControl._seen_awake": "fleet",
    "worker/versions.KnownVersions._routes": "model",
    "statistics.RememberedStatistics._known": "model and track",
    # Counts, and what waits: no answers.
    "pace.RealtimePace._buckets": "id of the API key",
    "callbacks/patience.ReceiverPatience._silent": "API key and host",
    "callbacks/patience.ReceiverPatience._waited": "API key",
    "metrics.InferenceMetrics._tallies": "model and track",
    "worker/batch.Ahead._ready": "model",
    "worker/gathering.Gathering._waiting": "model",
    "worker/held.Holdings._held": "the message",
    "worker/turns.Turns._ends": "model",
    "worker/turns.Turns._last": "model",
    "worker/turns.Turns.usual_seconds": "model",
}


def caches() -> Iterator[str]:
    for path in sorted(LIBRARY.rglob("*.py")):
        module = path.relative_to(LIBRARY).with_suffix("").as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                yield from (f"{module}.{node.name}.{name}" for name in held(node))
            elif isinstance(node, ast.FunctionDef) and any(map(remembers, node.decorator_list)):
                yield f"{module}.{node.name}"


def held(node: ast.ClassDef) -> Iterator[str]:
    """Name the fields that begin empty and are filled while the object lives."""
    for field in node.body:
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.value, ast.Call):
            continue
        kind = ast.unparse(field.annotation).partition("[")[0].strip("'\"")
        if kind in HOLDS and "default_factory" in ast.unparse(field.value):
            yield ast.unparse(field.target)


def remembers(decorator: ast.expr) -> bool:
    return ast.unparse(decorator).partition("(")[0].rpartition(".")[2] in ("cache", "lru_cache")


def test_every_cache_says_what_it_is_kept_by() -> None:
    of_one_call = {
        "batch/survey.Survey.inputs",
        "batch/survey.Survey.lists",
        "fleets/sweeping.Found.awake",
        "fleets/sweeping.Found.in_use",
    }
    assert set(caches()) - of_one_call == set(KEPT)
