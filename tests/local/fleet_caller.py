"""Whoever asks heavy models: over HTTP, and, where a test has to look deeper, at what AWS holds."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from serval.access.api_key import GATEWAY
from serval.aws.dynamodb.fleet_states import FleetTable
from serval.aws.dynamodb.jobs import JobTable
from serval.aws.dynamodb.requests import RequestTable
from serval.aws.s3.data_bucket import DataBucket
from serval.aws.sqs.queues import ModelQueues
from serval.clock import timestamp, utc_now
from serval.fleets.state import FleetState
from serval.models.resource_names import shards_queue_name
from serval.requests.access import RequestAccess
from serval.requests.request import AsyncRequest
from serval_cli.local.aws_client import CONFIG, create_session

if TYPE_CHECKING:
    from tests.local.conftest import LocalStage

T = TypeVar("T")
LIMIT_SECONDS = 600.0
"""Of waiting for what comes: a machine that does much else takes long over it."""
FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 0.05, 0.25
"""Between two looks: most of them invoke a function, and take a core from what they wait for."""
FINAL = {"succeeded", "failed", "cancelled"}


def until(what: str, condition: Callable[[], T | None], seconds: float = LIMIT_SECONDS) -> T:
    """Wait for a condition and give what it gave."""
    deadline, pause = time.monotonic() + seconds, FIRST_PAUSE_SECONDS
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(pause)
        pause = min(1.25 * pause, LAST_PAUSE_SECONDS)
    raise AssertionError(f"not within {seconds:.0f} s: {what}")


def asked(*values: float, datatype: str = "FP32") -> dict[str, Any]:
    """Give a V2 inference request of one row, or of as many as there are pairs of values."""
    tensor = {"name": "x", "datatype": datatype, "shape": [len(values) // 2, 2]}
    return {"inputs": [tensor | {"data": list(values)}]}


def divided(x: int, d: int) -> dict[str, Any]:
    """Give an inference request of ``poison``."""
    return {
        "inputs": [
            {"name": name, "datatype": "INT64", "shape": [1], "data": [value]}
            for name, value in (("x", x), ("d", d))
        ]
    }


def answered(document: dict[str, Any]) -> list[float]:
    """Give the values in the result of a request that has succeeded."""
    assert document["status"] == "succeeded", document
    values: list[float] = document["response"]["outputs"][0]["data"]
    return values


@dataclass
class Caller:
    """Calls with an API key of its own, which may call as often as it likes."""

    stage: "LocalStage"
    client: httpx.Client

    def submit(self, model: str, request: dict[str, Any], **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        path = f"/async/models/{model}/infer"
        return self.client.post(path, json=request, headers=named)

    def submitted(self, model: str, request: dict[str, Any], **headers: str) -> str:
        """Submit a request and give its id."""
        reply = self.submit(model, request, **headers)
        assert reply.status_code == 202, reply.text
        return str(reply.json()["id"])

    def put(
        self, request_id: str, model: str, request: dict[str, Any], **more: Any
    ) -> httpx.Response:
        body = {"model": model, "request": request, **more}
        return self.client.put(f"/async/requests/{request_id}", json=body)

    def get(self, request_id: str) -> dict[str, Any]:
        reply = self.client.get(f"/async/requests/{request_id}")
        assert reply.status_code == 200, reply.text
        document: dict[str, Any] = reply.json()
        return document

    def status(self, request_id: str) -> str:
        return str(self.get(request_id)["status"])

    def ended(self, request_id: str, seconds: float = LIMIT_SECONDS) -> dict[str, Any]:
        """Wait until a request has ended, and give it with its result."""

        def final() -> dict[str, Any] | None:
            found = self.get(request_id)
            return found if found["status"] in FINAL else None

        return until(f"the end of {request_id}", final, seconds)

    def row(self, request_id: str) -> AsyncRequest:
        return RequestAccess(self.store, lambda: self.models).find(GATEWAY, request_id)

    def invoke(self, function: str, event: dict[str, Any] | None = None) -> Any:
        """Invoke a function as its schedule would; gives what it answered."""
        answer = self.stage.client("lambda").invoke(
            FunctionName=self.functions[function], Payload=json.dumps(event or {})
        )
        text = answer["Payload"].read()
        assert "FunctionError" not in answer, text
        return json.loads(text)

    def workers(self, fleet: str) -> list[dict[str, Any]]:
        """List the processes that run for a fleet, as ``status`` has them."""
        found = json.loads((self.stage.state / "workers.json").read_text())
        return [one for one in found if one["fleet"] == fleet and one["state"] == "running"]

    def set_machines(self, fleet: str, machines: int) -> None:
        """Have a fleet get so many machines, as if just woken: the next tick lets it keep them."""
        self.change(fleet, machines=machines, woken=timestamp(utc_now()), idle_since="")

    def change(self, fleet: str, **members: Any) -> None:
        def saved() -> bool:
            before = self.fleets.find(fleet)
            return self.fleets.save(before, replace(before, **members))

        until(f"a change of fleet {fleet}", saved)

    def state(self, fleet: str) -> FleetState:
        return self.fleets.find(fleet)

    def ready(self, fleet: str, workers: int) -> None:
        """Wait until so many workers of a fleet have spoken."""

        def spoken() -> bool:
            state = self.state(fleet)
            assert state.machines >= workers or not state.woken, state
            processes = {one["worker"] for one in self.workers(fleet)}
            heard = {one.worker.rpartition("-")[0] for one in self.fleets.workers(fleet)}
            return len(processes & heard) == workers

        until(f"{workers} workers of {fleet}", spoken)

    def obeyed(self, fleet: str) -> None:
        """Wait until workers know what the fleet's row says: they read it after each report."""

        def all_seen(since: str) -> bool:
            return all(one.seen > since for one in self.fleets.workers(fleet))

        for _ in range(2):
            until(f"reports of {fleet}", partial(all_seen, timestamp(utc_now())))

    @cached_property
    def models(self) -> list[str]:
        """Names of the models that were published when somebody first asked."""
        names: list[str] = self.client.get("/v2/models").json()["models"]
        return names

    @cached_property
    def functions(self) -> dict[str, str]:
        return self.stage.functions()

    @cached_property
    def outputs(self) -> dict[str, str]:
        client = self.stage.client("cloudformation")
        return {
            output["OutputKey"]: output["OutputValue"]
            for stack in ("storage", "api")
            for output in client.describe_stacks(StackName=f"serval-local-{stack}")["Stacks"][0][
                "Outputs"
            ]
        }

    @cached_property
    def store(self) -> RequestTable:
        return RequestTable(self.table("RequestsTableName"))

    @cached_property
    def fleets(self) -> FleetTable:
        return FleetTable(self.table("RegistryTableName"))

    @cached_property
    def data(self) -> DataBucket:
        return DataBucket(self.stage.client("s3"), self.stage.data_bucket)

    @cached_property
    def queues(self) -> ModelQueues:
        return ModelQueues(self.stage.client("sqs"), "local")

    @cached_property
    def jobs(self) -> JobTable:
        return JobTable(self.table("JobsTableName"))

    def waiting_shards(self, fleet: str) -> int:
        """Count a fleet's messages about shards, those that workers hold included."""
        sqs = self.stage.client("sqs")
        url = sqs.get_queue_url(QueueName=shards_queue_name("local", fleet))["QueueUrl"]
        asked = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=asked)["Attributes"]
        return sum(int(found[name]) for name in asked)

    def table(self, output: str) -> Any:
        resource = create_session().resource(
            "dynamodb", endpoint_url=self.stage.aws_endpoint_url, config=CONFIG
        )
        return resource.Table(self.outputs[output])


def p50(values: Sequence[float]) -> float:
    """Give the median."""
    return percentile(values, 50)


def p95(values: Sequence[float]) -> float:
    """Give the 95th percentile."""
    return percentile(values, 95)


def percentile(values: Sequence[float], percent: int) -> float:
    """Give the least of the values that is not below so many percent of them."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
