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
    "tasks/audio/resample._kernels": "the two sampling rates",
    "inference/cpu.cpu_class": "the machine",
    "connections.tls_context": "the machine",
    "bootstrap/realtime/describe.cloudwatch": "the environment's region",
    "bootstrap/realtime/stream.request_events": "the environment's settings",
    "bootstrap/realtime/stream.fleet_calls": "the environment's settings",
    "worker/program/threads.Threads._threads": "name of the thread",
    # What is immutable once it is there.
    "http/protocols/choose.import_protocol": "name of the protocol's module",
    "http/protocols/tables.find_columns": "the inputs, their features, the columns, whether named",
    "aws/sqs/queue_batches.QueueUrls.found": "name of the queue",
    "batch/shard/work.ShardWork.layouts": "job and attempt; a retry keeps the plan",
    "requests/submit/checks.SubmissionChecks._versions": "model and version",
    "models/route.KnownVersions._versions": "model and version",
    "models/route.Remembered._values": "what its owner in this list says",
    "inference/batching.Sharing._excluded": "model and version",
    "worker/program/server_folder.ServerFolder._sizes": "model and version",
    "worker/program/server_processes.ServerProcesses._ports": "model and version",
    "worker/program/servers.Servers._loaded": "model and version",
    "worker/program/servers.Servers._models": "model",
    "worker/program/servers.Servers._refused": "model, version and rollout",
    "worker/program/server_folder.ServerFolder._users": "model and version",
    "inference/loaded.LoadedVersions._held": "model and version; the CPU class is the process's",
    # What is looked up again after seconds.
    "access/admission.Admission._routes": "model",
    "access/admission.Authenticator._callers": "hash of the API key",
    "models/route.KnownVersions._routes": "model",
    "models/route.KnownStables._routes": "model",
    "pipelines/model.PipelineModel._bound": "step, while it calls the same version",
    "client/inference.ModelFlows.known": "model and version, until the API refuses a request",
    "fleets/endpoints/dispatch.Dispatch._capacities": "fleet",
    "fleets/control.FleetControl._seen_awake": "fleet",
    "models/statistics.RememberedStatistics._known": "model and track",
    # Counts, and what waits: no answers.
    "access/admission.RealtimeLimit._buckets": "id of the API key",
    "requests/callbacks/throttle.ReceiverThrottle._silent": "API key and host",
    "requests/callbacks/throttle.ReceiverThrottle._waited": "API key",
    "models/metrics.InferenceMetrics._tallies": "model and track",
    "models/metrics.InferenceMetrics._failed_steps": "model and step",
    "worker/queue/batch.ReadyBatches._ready": "model",
    "worker/serve/gather.Gather._waiting": "model",
    "worker/queue/held.Holdings._held": "the message",
    "worker/queue/deliveries.DeliveredInbox.finished": "receipt of the message",
    "worker/streams/served.ServedText._thoughts": "member of the message, of one text",
    "worker/queue/turns.Turns._ends": "model",
    "worker/queue/turns.Turns._last": "model",
    "worker/queue/turns.Turns.usual_seconds": "model",
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
        filled = kind in HOLDS and "default_factory" in ast.unparse(field.value)
        if filled or kind == "Remembered":
            yield ast.unparse(field.target)


def remembers(decorator: ast.expr) -> bool:
    return ast.unparse(decorator).partition("(")[0].rpartition(".")[2] in ("cache", "lru_cache")


def test_every_cache_says_what_it_is_kept_by() -> None:
    of_one_call = {
        "batch/plan/survey.Survey.inputs",
        "bundles/pipeline_uses.UsesOf._seen",
        "bundles/pipeline_uses.UsesOf.used",
        "client/events.EventParser._fields",
        "batch/plan/survey.Survey.lists",
        "durable/step_answers.StepAnswers.outcomes",
        "durable/step_requests.StepAsks.versions",
        "fleets/sweep.SweepFindings.awake",
        "fleets/sweep.SweepFindings.in_use",
        "inference/loaded.LoadedVersions._opening",
        "pipelines/check/check.PipelineCheck._given",
        "pipelines/reading.Reading.parts",
        "pipelines/reading.Reading.whole",
        "pipelines/step_times.StepTimes.cached",
        "pipelines/step_times.StepTimes.versions",
        "pipelines/run_values.RunValues._views",
        "pipelines/run_values.RunValues.values",
    }
    assert set(caches()) - of_one_call == set(KEPT)
