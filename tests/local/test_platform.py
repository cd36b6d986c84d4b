"""The embedded platform: what the launcher's patches promise, and what up, down and kill leave."""

import io
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from serval_cli.local.platform import EPHEMERAL
from serval_cli.local.processes.group import ProcessGroup
from serval_cli.local.state_folder import StateFolder
from tests.local.conftest import ROOT, LocalStage, serval
from tests.local.fleet_caller import until
from tests.local.fleet_models import bundles
from tests.local.own_functions import LOGS, role, statement

PROBE = """
import json, os, pathlib, sys, time
import layered

def handler(event, context):
    if "fail" in event:
        return {}[event["fail"]]
    if "use_mib" in event:
        bytes([1]) * event["use_mib"] * 2**20
    if "answer_bytes" in event:
        return "x" * event["answer_bytes"]
    if "metric" in event:
        directive = {"Namespace": "Probe", "Dimensions": [[]], "Metrics": [{"Name": "Value"}]}
        aws = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
        print(json.dumps({"_aws": aws, "Value": event["metric"]}))
    time.sleep(event.get("seconds", 0))
    return {
        "pid": os.getpid(),
        "python": sys.executable,
        "environment": sorted(os.environ),
        "layer": str(pathlib.Path(layered.__file__).resolve()),
    }
"""


def zipped(name: str, text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, text)
    return buffer.getvalue()


@dataclass(frozen=True)
class Probe:
    """A function that says where it runs, and does as its event tells."""

    client: Any
    name: str

    def invoke(self, **event: Any) -> dict[str, Any]:
        answer = self.client.invoke(FunctionName=self.name, Payload=json.dumps(event))
        value = json.loads(answer["Payload"].read())
        return {"failed": "FunctionError" in answer, "value": value}


@pytest.fixture(scope="module")
def probe(stage: LocalStage) -> Iterator[Probe]:
    client = stage.client("lambda")
    layer = client.publish_layer_version(
        LayerName="probe", Content={"ZipFile": zipped("python/layered.py", "")}
    )
    with role(stage, "probe", statement(LOGS)) as own:
        client.create_function(
            FunctionName="probe",
            Runtime="python3.13",
            Role=own,
            Handler="handler.handler",
            Code={"ZipFile": zipped("handler.py", PROBE)},
            Layers=[layer["LayerVersionArn"]],
            Timeout=30,
        )
        yield Probe(client, "probe")
        client.delete_function(FunctionName="probe")


def test_local_json_has_exactly_the_six_keys(stage: LocalStage) -> None:
    document = json.loads((stage.state / "local.json").read_text())
    assert sorted(document) == [
        "api_key",
        "api_url",
        "artifact_bucket",
        "aws_endpoint_url",
        "data_bucket",
        "region",
    ]


def test_nothing_listens_beyond_loopback(stage: LocalStage) -> None:
    port = int(stage.aws_endpoint_url.rpartition(":")[2])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way_out:
        way_out.connect(("192.0.2.1", 9))  # sends nothing; finds this machine's own address
        address = way_out.getsockname()[0]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address, port), timeout=5)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", 8883), timeout=5)


def test_status_says_that_the_stage_is_ephemeral(stage: LocalStage) -> None:
    status = json.loads(stage.serval("local", "status", "--json"))
    assert status["running"] is True
    assert status["api_url"] == stage.api_url
    assert EPHEMERAL in stage.serval("local", "status").replace("\n", " ")


def test_a_second_up_deploys_again_and_keeps_address_key_and_models(stage: LocalStage) -> None:
    before = json.loads(stage.serval("local", "status", "--json"))
    again = json.loads(stage.serval("local", "up", "--detach", "--json"))
    assert LocalStage(stage.state, **again) == stage
    after = json.loads(stage.serval("local", "status", "--json"))
    for kept in ("models", "fleets", "functions"):
        assert after[kept] == before[kept]


def test_status_and_logs_tell_of_the_workers(stage: LocalStage) -> None:
    def running() -> list[str]:
        workers = json.loads(stage.serval("local", "status", "--json"))["workers"]
        return [one["worker"] for one in workers if one["state"] == "running"]

    until("the workers of the fleet that never sleeps", lambda: "worker-pair-2" in running())
    stage.serval("local", "logs", "worker-pair-2")
    with pytest.raises(AssertionError, match=r"the stage has .*, worker-pair-1"):
        stage.serval("local", "logs", "worker-pair-3")


def test_functions_run_on_the_thin_interpreter_without_the_callers_environment(
    probe: Probe,
) -> None:
    found = probe.invoke()["value"]
    assert found["python"] == str(ROOT / "build/environments/functions/bin/python")
    assert not {"PYTHONPATH", "VIRTUAL_ENV", "AWS_PROFILE"} & set(found["environment"])


def test_an_exception_is_reported_as_lambda_does_and_the_worker_lives_on(
    probe: Probe, stage: LocalStage
) -> None:
    pid = probe.invoke()["value"]["pid"]
    failed = probe.invoke(fail="absent")
    assert failed["failed"]
    assert failed["value"]["errorType"] == "KeyError"
    assert failed["value"]["errorMessage"] == "'absent'"
    assert 'return {}[event["fail"]]' in failed["value"]["stackTrace"][-1]
    assert probe.invoke()["value"]["pid"] == pid
    events = stage.client("logs").filter_log_events(logGroupName="/aws/lambda/probe")["events"]
    assert any("KeyError: 'absent'" in event["message"] for event in events)


def test_a_function_over_its_memory_is_killed_and_its_log_tells(
    probe: Probe, stage: LocalStage
) -> None:
    killed = probe.invoke(use_mib=200)
    assert killed["failed"]
    assert killed["value"]["errorType"] == "Runtime.ExitError"
    assert killed["value"]["errorMessage"].endswith("Runtime exited with error: signal: killed")
    events = stage.client("logs").filter_log_events(logGroupName="/aws/lambda/probe")["events"]
    told = [event["message"] for event in events]
    assert killed["value"]["errorMessage"] in told
    used = [int(one.split("Max Memory Used: ")[1].split()[0]) for one in told if "REPORT" in one]
    assert max(used) > 128
    assert min(used) < 128
    assert not probe.invoke()["failed"]


def test_answers_over_lambdas_limit_are_refused(probe: Probe) -> None:
    assert not probe.invoke(answer_bytes=1_000_000)["failed"]
    refused = probe.invoke(answer_bytes=7_000_000)
    assert refused["value"]["errorType"] == "Function.ResponseSizeTooLarge"


def test_invocations_above_the_limit_wait_for_eight_workers_that_share_the_layer(
    probe: Probe,
) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: probe.invoke(seconds=0.2)["value"], range(20)))
    assert 1 < len({answer["pid"] for answer in answers}) <= 8
    assert len({answer["layer"] for answer in answers}) == 1


def test_metrics_that_a_function_prints_are_in_cloudwatch(probe: Probe, stage: LocalStage) -> None:
    probe.invoke(metric=[1, 2, 6])

    def points() -> list[dict[str, Any]]:
        """A line that comes late on a busy machine is read with the next invocation's."""
        probe.invoke()
        found: list[dict[str, Any]] = stage.client("cloudwatch").get_metric_statistics(
            Namespace="Probe",
            MetricName="Value",
            StartTime="2020-01-01",
            EndTime="2100-01-01",
            Period=3600,
            Statistics=["Sum", "SampleCount"],
        )["Datapoints"]
        return found

    data = until("the metric", points)
    assert [(point["Sum"], point["SampleCount"]) for point in data] == [(9, 3)]


def test_templates_set_cors_and_bucket_tags(stage: LocalStage) -> None:
    cors = {"AllowOrigins": ["https://example.org"], "AllowMethods": ["GET"]}
    api = {"Name": "cors", "ProtocolType": "HTTP", "CorsConfiguration": cors}
    bucket = {"BucketName": "tagged", "Tags": [{"Key": "stage", "Value": "local"}]}
    resources = {
        "Api": {"Type": "AWS::ApiGatewayV2::Api", "Properties": api},
        "Bucket": {"Type": "AWS::S3::Bucket", "Properties": bucket},
    }
    cloudformation = stage.client("cloudformation")
    cloudformation.create_stack(
        StackName="patched", TemplateBody=json.dumps({"Resources": resources})
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName="patched")
    tags = stage.client("s3").get_bucket_tagging(Bucket="tagged")["TagSet"]
    assert tags == [{"Key": "stage", "Value": "local"}]
    api_id = cloudformation.describe_stack_resource(StackName="patched", LogicalResourceId="Api")[
        "StackResourceDetail"
    ]["PhysicalResourceId"]
    preflight = httpx.options(
        f"{stage.aws_endpoint_url}/_aws/execute-api/{api_id}/$default/",
        headers={"origin": "https://example.org", "access-control-request-method": "GET"},
    )
    assert preflight.headers["access-control-allow-origin"] == "https://example.org"


def test_options_reach_the_routes_of_an_api_without_cors(stage: LocalStage) -> None:
    reply = httpx.options(
        f"{stage.api_url}/v2/models", headers={"x-api-key": stage.api_key}, timeout=300
    )
    assert list(reply.json()) == ["error"]


def test_logs_of_a_function_are_printed_in_order(stage: LocalStage) -> None:
    httpx.get(f"{stage.api_url}/v2/models", headers={"x-api-key": stage.api_key}, timeout=300)
    lines = [
        json.loads(line)
        for line in stage.serval("local", "logs", "describe", "--json").splitlines()
    ]
    assert any(line["message"].startswith("REPORT RequestId") for line in lines)
    times = [line["timestamp"] for line in lines]
    assert times == sorted(times)


def test_an_unknown_function_is_refused_with_those_there_are(stage: LocalStage) -> None:
    with pytest.raises(AssertionError, match=r"the stage has .*, infer, infer-digits"):
        stage.serval("local", "logs", "inferr")


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """Give the state folder of a stage of its own, taken down whatever becomes of the test."""
    yield tmp_path
    serval(tmp_path, "local", "down")


def test_after_a_kill_status_says_what_is_lost_and_up_starts_afresh(state: Path) -> None:
    """The second stage runs in the foreground; Ctrl-C ends it with all its processes.

    Of the first one, the emulator and who supervises the workers are killed; the workers live on.
    """
    models = state / "of-its-own"
    fleets = bundles.write(models, ())
    serval(state, "local", "up", "--detach", "--models", str(models), "--fleets", str(fleets))
    killed = recorded(state)
    until("two workers", lambda: len(killed["fleets"].members()) == 3)
    for group in killed.values():
        os.kill(group.pid, signal.SIGKILL)
    until("the workers alone", lambda: len(killed["fleets"].members()) == 2)
    with pytest.raises(AssertionError, match="killed, and what it stored is gone"):
        serval(state, "local", "status")
    shutil.rmtree(models)
    foreground = subprocess.Popen(
        [sys.executable, "-m", "serval_cli.main", "local", "up"],
        cwd=ROOT,
        env=os.environ | {"SERVAL_STATE": str(state)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert foreground.stderr is not None
    said = list(itertools.takewhile(lambda line: "Ctrl-C" not in line, foreground.stderr))
    assert "was killed: starting afresh." in said[0]
    assert [group.members() for group in killed.values()] == [[], []]
    again = recorded(state)
    foreground.send_signal(signal.SIGINT)
    _, last = foreground.communicate(timeout=300)
    assert (foreground.returncode, last) == (0, "Down; nothing is left running.\n")
    assert [group.members() for group in again.values()] == [[], []]
    assert sorted(path.name for path in state.iterdir()) == ["lock", "logs"]


def recorded(state: Path) -> dict[str, ProcessGroup]:
    """Give the processes that are left of a detached ``up``: the emulator, the fleets'."""
    record = StateFolder(state).read()
    assert record is not None
    assert [group.name for group in record.processes] == ["server", "fleets"]
    return {group.name: group for group in record.processes}
