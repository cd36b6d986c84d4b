"""The launcher's patches, against a stand-in for the emulator's modules."""

import ast
import asyncio
import json
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from serval_cli.local.launcher.__main__ import PATCHES
from serval_cli.local.launcher.emulator import Emulator, WrongEmulator
from serval_cli.local.launcher.patches import (
    bucket_tags,
    cors,
    custom_resources,
    long_poll,
    map_limits,
    retention,
    routes,
    scaling_targets,
    scheduled_times,
    version_ranges,
)
from serval_cli.local.launcher.patches.functions import (
    logs_wait,
)

PATCHES_FOLDER = Path(long_poll.__file__).parent
LIBRARIES = {"psutil", "uvicorn"}
"""What the emulator's environment has for the launcher, besides the emulator itself."""


def emulator(**modules: Any) -> Emulator:
    names = Emulator.__dataclass_fields__
    return Emulator(**({name: SimpleNamespace() for name in names} | modules))


def test_the_launcher_imports_only_itself_the_standard_library_and_its_own_libraries() -> None:
    imported = {
        name
        for file in PATCHES_FOLDER.parent.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else []
        )
    }
    own = {name for name in imported if name.startswith("serval_cli.local.launcher")}
    foreign = {name.split(".")[0] for name in imported - own} - sys.stdlib_module_names
    assert foreign == LIBRARIES


def test_every_patch_is_applied() -> None:
    folders = (PATCHES_FOLDER, PATCHES_FOLDER / "functions")
    modules = {path.stem for folder in folders for path in folder.glob("*.py")} - {"__init__"}
    assert {patch.__name__.rpartition(".")[2] for patch in PATCHES} == modules


def test_all_names_that_the_emulator_lacks_are_named_together() -> None:
    found = emulator(s3=SimpleNamespace(_tags={"a": {"b": 1}}))
    found.require(["s3/_tags/a/b"])
    with pytest.raises(WrongEmulator, match="has no s3/_tags/a/c, s3/_gone, app/main/_deep"):
        found.require(["s3/_tags/a/c", "s3/_tags", "s3/_gone", "app/main/_deep"])


def test_a_long_poll_looks_again_once_a_message_is_sent() -> None:
    queues = SimpleNamespace(asyncio=asyncio, esm_wake=threading.Event())
    long_poll.apply(emulator(sqs=queues))
    assert queues.asyncio.iscoroutine is asyncio.iscoroutine

    async def poll() -> None:
        looks = [asyncio.create_task(queues.asyncio.sleep(1e6)) for _ in range(3)]
        await asyncio.sleep(0.05)
        assert not any(look.done() for look in looks)
        await asyncio.to_thread(queues.esm_wake.set)
        await asyncio.gather(*looks)

    asyncio.run(poll())
    assert queues.esm_wake.is_set()


def test_a_long_poll_misses_no_message_that_is_sent_before_it_sleeps() -> None:
    queues = SimpleNamespace(asyncio=asyncio, esm_wake=threading.Event())
    long_poll.apply(emulator(sqs=queues))

    async def poll() -> None:
        look = asyncio.create_task(queues.asyncio.sleep(1e6))
        await asyncio.sleep(0)
        queues.esm_wake.set()
        await look

    asyncio.run(poll())


def test_a_long_poll_of_an_empty_queue_looks_when_it_is_due() -> None:
    queues = SimpleNamespace(asyncio=asyncio, esm_wake=threading.Event())
    long_poll.apply(emulator(sqs=queues))
    asyncio.run(queues.asyncio.sleep(0.02))


def test_the_wait_for_logs_is_shortened() -> None:
    class Worker:
        def _drain_stderr_bounded(self, first: float = 1, idle: float = 1, cap: float = 1) -> Any:
            return first, idle, cap

    logs_wait.apply(emulator(lambda_runtime=SimpleNamespace(Worker=Worker)))
    assert Worker()._drain_stderr_bounded() == logs_wait.SECONDS


def test_a_bounded_list_keeps_what_is_newest() -> None:
    kept: list[int] = []
    module = SimpleNamespace(_points=lambda key: kept)
    retention.keep_newest(module, "_points", 20)
    for number in range(100):
        module._points("key").append(number)
        assert len(kept) <= 20
    assert kept == list(range(100 - len(kept), 100))


def test_a_log_that_is_full_keeps_the_newest_invocations() -> None:
    log, streams = retention.FunctionLog(limit_bytes=100), dict[int, int]()
    for number, size in enumerate([40, 40, 40, 200, 60]):
        streams[number] = size
        log.add(size, streams)
        assert sum(streams.values()) <= 100 or list(streams) == [number]
    assert streams == {4: 60}


def test_cors_keys_are_those_that_the_emulator_reads() -> None:
    seen: list[Any] = []
    handlers = {
        "create": lambda logical_id, props, stack: seen.append(props),
        "update": lambda physical_id, old, new, stack, logical_id=None: seen.append(new),
    }
    provisioners = SimpleNamespace(_RESOURCE_HANDLERS={cors.HANDLERS: handlers})
    cors.apply(emulator(provisioners=provisioners))
    declared = {"Name": "api", "CorsConfiguration": {"AllowOrigins": ["*"], "MaxAge": 1}}
    handlers["create"]("Api", declared, "stack")
    handlers["update"]("id", {}, declared, "stack", logical_id="Api")
    handlers["create"]("Api", {"Name": "plain"}, "stack")
    stored = {"Name": "api", "CorsConfiguration": {"allowOrigins": ["*"], "maxAge": 1}}
    assert seen == [stored, stored, {"Name": "plain"}]


@pytest.mark.parametrize(
    ("method", "cors", "preflight"),
    [("OPTIONS", None, False), ("OPTIONS", {"allowOrigins": ["*"]}, True), ("GET", None, False)],
)
def test_only_an_api_with_cors_answers_preflights(
    method: str, cors: dict[str, Any] | None, preflight: bool
) -> None:
    async def execute(api_id: str, stage: str, path: str, method: str, headers: Any) -> Any:
        return method == "OPTIONS", json.dumps(method)

    gateway = SimpleNamespace(
        _apis={"api": {"corsConfiguration": cors}},
        _handle_execute_in_scope=execute,
        _path_matches=str.startswith,
    )
    routes.apply(emulator(apigateway=gateway))
    answer = asyncio.run(gateway._handle_execute_in_scope("api", "$default", "/", method, {}))
    assert answer == (preflight, f'"{method}"')


def test_whether_a_path_matches_a_route_is_found_out_once() -> None:
    asked = []

    def match(route: str, path: str) -> bool:
        asked.append((route, path))
        return route == path

    gateway = SimpleNamespace(_apis={}, _handle_execute_in_scope=None, _path_matches=match)
    routes.apply(emulator(apigateway=gateway))
    found = [gateway._path_matches("/a", path) for path in ("/a", "/b", "/a", "/b")]
    assert found == [True, False, True, False]
    assert asked == [("/a", "/a"), ("/a", "/b")]


def test_buckets_keep_their_tags() -> None:
    handlers = {"create": lambda logical_id, props, stack: ("bucket", {"Arn": "arn"})}
    provisioners = SimpleNamespace(_RESOURCE_HANDLERS={bucket_tags.HANDLERS: handlers})
    s3 = SimpleNamespace(_bucket_tags={})
    bucket_tags.apply(emulator(provisioners=provisioners, s3=s3))
    declared = {"Tags": [{"Key": "stage", "Value": "local"}]}
    assert handlers["create"]("Bucket", declared, "stack") == ("bucket", {"Arn": "arn"})
    assert s3._bucket_tags == {"bucket": {"stage": "local"}}


def test_a_map_has_the_limits_that_come_with_the_execution() -> None:
    stepfunctions = SimpleNamespace(
        _run_distributed_map=lambda state, *rest: (state, rest),
        _resolve_path_or_ctx=lambda path, effective, ctx: effective[path.removeprefix("$.")],
        _execute_task=lambda state, *rest: (state, rest),
    )
    map_limits.apply(emulator(stepfunctions=stepfunctions))
    declared = {"MaxConcurrencyPath": "$.at_once", "ToleratedFailurePercentage": 5}
    state, rest = stepfunctions._run_distributed_map(
        declared, "given", {"at_once": 3}, "iterator", "execution", "context"
    )
    assert state == {**declared, "MaxConcurrency": 3}
    assert rest == ("given", {"at_once": 3}, "iterator", "execution", "context")
    task = {"TimeoutSecondsPath": "$.seconds"}
    state, _ = stepfunctions._execute_task(task, {"seconds": 90}, "execution", "context")
    assert state == {**task, "TimeoutSeconds": 90}


def test_custom_resources_wait_twenty_seconds_unless_they_say_otherwise() -> None:
    seen: list[Any] = []
    module = SimpleNamespace(invoke_custom_resource=lambda *args, **kw: seen.append(args[2]))
    custom_resources.apply(emulator(custom_resource=module))
    module.invoke_custom_resource("Create", "Id", {"ServiceToken": "arn"}, "stack")
    module.invoke_custom_resource("Create", "Id", {"ServiceTimeout": "5"}, "stack")
    assert seen == [{"ServiceTimeout": 20, "ServiceToken": "arn"}, {"ServiceTimeout": "5"}]


def test_scaling_targets_and_policies_are_recorded_and_no_more() -> None:
    provisioners = SimpleNamespace(
        _RESOURCE_HANDLERS={}, get_region=lambda: "r", get_account_id=lambda: "1"
    )
    scaling_targets.apply(emulator(provisioners=provisioners))
    target, policy = provisioners._RESOURCE_HANDLERS.values()
    declared = {
        "ServiceNamespace": "sagemaker",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        "ResourceId": "endpoint/e/variant/v",
    }
    found = "endpoint/e/variant/v|sagemaker:variant:DesiredInstanceCount|sagemaker"
    assert target["create"]("Target", declared, "stack") == (found, {"Id": found})
    arn, _ = policy["create"]("Policy", {"PolicyName": "wake"}, "stack")
    assert arn.startswith("arn:aws:autoscaling:r:1:scalingPolicy:")
    assert arn.endswith(":policyName/wake")
    target["delete"](found, declared)


def deliver(target: dict[str, Any], source: str = "aws.scheduler") -> tuple[Any, Any]:
    """Return the target and the event that the emulator delivers."""
    seen: list[tuple[Any, Any]] = []
    eventbridge = SimpleNamespace(
        _invoke_target=lambda target, event, rule, view: seen.append((target, event))
    )
    scheduled_times.apply(emulator(eventbridge=eventbridge))
    event = {"Source": source, "DetailType": "Scheduled Event", "Time": 1795316407.5}
    eventbridge._invoke_target(target, event, {})
    ((target, event),) = seen
    return target, event


def test_a_schedule_hands_on_the_minute_that_it_was_meant_for() -> None:
    given = {"Arn": "states", "Input": '{"time": "<aws.scheduler.scheduled-time>"}'}
    target, event = deliver(given)
    assert json.loads(target["Input"]) == {"time": "2026-11-22T03:00:00Z"}
    assert target["Arn"] == "states"
    assert event["DetailType"] == "Scheduled Event"
    assert "<aws" in given["Input"], "the next time needs its place again"


def test_an_event_of_a_schedule_is_called_what_its_schedule_says() -> None:
    named = {"Source": "serval", "DetailType": "serval.retrain"}
    _, event = deliver({"Arn": "bus", "EventBridgeParameters": named})
    assert (event["Source"], event["DetailType"]) == ("serval", "serval.retrain")


def test_other_events_are_left_as_they_are() -> None:
    given = {"Arn": "states", "Input": "<aws.scheduler.scheduled-time>"}
    assert deliver(given, "aws.s3")[0] == given


@pytest.mark.parametrize(
    ("headers", "query", "answer"),
    [
        ({"range": "bytes=2-"}, {"versionId": ["v"]}, (206, b"cdef", "bytes 2-5/6")),
        ({"range": "bytes=2-3"}, {"versionId": ["v"]}, (206, b"cd", "bytes 2-3/6")),
        ({"range": "bytes=9-"}, {"versionId": ["v"]}, (200, b"abcdef", None)),
        ({"range": "bytes=2-"}, {}, (200, b"abcdef", None)),
        ({}, {"versionId": ["v"]}, (200, b"abcdef", None)),
    ],
)
def test_a_range_of_a_version_is_answered_as_one(
    headers: dict[str, str], query: dict[str, Any], answer: tuple[int, bytes, str | None]
) -> None:
    async def stock(*request: Any) -> tuple[int, dict[str, str], bytes]:
        return 200, {"Content-Length": "6"}, b"abcdef"

    def parse(asked: str, total: int) -> tuple[int, int] | None:
        first, last = asked.removeprefix("bytes=").split("-")
        return None if int(first) >= total else (int(first), int(last or total - 1))

    handlers: dict[str, Any] = {"s3": stock}
    version_ranges.apply(
        emulator(
            app=SimpleNamespace(SERVICE_HANDLERS=handlers), s3=SimpleNamespace(_parse_range=parse)
        )
    )
    status, sent, body = asyncio.run(handlers["s3"]("GET", "/b/k", headers, b"", query))
    assert (status, body, sent.get("Content-Range")) == answer
    assert sent["Content-Length"] == str(len(body))
