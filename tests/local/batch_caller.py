"""Whoever runs batch jobs: uploads, calls of the API, the command line, and the clock's targets."""

import csv
import io
import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import onnxruntime
import polars as pl

from tests.local.fleet_caller import LIMIT_SECONDS, until

if TYPE_CHECKING:
    from tests.local.conftest import LocalStage

MACHINE = "serval-local-batch"
OPEN = {"queued", "planning", "running", "assembling"}
MEASURED = ("sepal_length", "sepal_width", "petal_length", "petal_width")
COLUMNS = {"columns": {"measurements": list(MEASURED)}}
NOTES = ("", "plain", "two\nlines", 'a "word"', "comma, and\r\nmore\n", "ü, 漢字\n🌱")
STEP_ROWS = 50_000


@dataclass
class BatchCaller:
    """Calls with the stage's own key."""

    stage: "LocalStage"
    client: httpx.Client

    @cached_property
    def s3(self) -> Any:
        return self.stage.client("s3")

    @cached_property
    def states(self) -> Any:
        return self.stage.client("stepfunctions")

    @cached_property
    def machine(self) -> str:
        machines = self.states.list_state_machines()["stateMachines"]
        (found,) = [each["stateMachineArn"] for each in machines if each["name"] == MACHINE]
        return str(found)

    def put(self, key: str, body: bytes) -> str:
        """Put an object into the data bucket and give its address."""
        self.s3.put_object(Bucket=self.stage.data_bucket, Key=key, Body=body)
        return f"s3://{self.stage.data_bucket}/{key}"

    def body(self, address: str) -> bytes:
        bucket, _, key = address.removeprefix("s3://").partition("/")
        found: bytes = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return found

    def start(self, model: str, address: str, **options: Any) -> str:
        reply = self.client.post(
            f"/batch/models/{model}/jobs", json={"input": address, "options": options}
        )
        assert reply.status_code == 202, reply.text
        return str(reply.json()["id"])

    def job(self, job: str) -> dict[str, Any]:
        reply = self.client.get(f"/batch/jobs/{job}")
        assert reply.status_code == 200, reply.text
        document: dict[str, Any] = reply.json()
        return document

    def jobs_of(self, model: str, address: str) -> list[dict[str, Any]]:
        """Give the jobs whose input is one address."""
        jobs = self.client.get("/batch/jobs", params={"model": model, "limit": 100}).json()["jobs"]
        return [job for job in jobs if job["input"] == address]

    def ended(self, job: str, seconds: float = LIMIT_SECONDS) -> dict[str, Any]:
        def final() -> dict[str, Any] | None:
            found = self.job(job)
            return found if found["status"] not in OPEN else None

        return until(f"the end of job {job}", final, seconds)

    def succeeded(self, job: str, seconds: float = LIMIT_SECONDS) -> dict[str, Any]:
        found = self.ended(job, seconds)
        assert found["status"] == "succeeded", found
        return found

    def output(self, job: dict[str, Any], name: str = "output.csv") -> bytes:
        return self.body(job["output"] + name)

    def answers(self, job: dict[str, Any], column: str = "answer") -> list[Any]:
        """Give the answers of a pipeline to the rows of a job; of a task they are ``answers``."""
        [url] = [one["url"] for one in job["results"] if one["name"].startswith("output")]
        return [json.loads(line)[column] for line in httpx.get(url).text.splitlines()]

    def summary(self, job: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.output(job, "summary.json"))
        return found

    def execute(self, event: dict[str, Any]) -> dict[str, Any]:
        """Start the machine as a rule or a schedule does, and wait for its end."""
        execution = self.states.start_execution(
            stateMachineArn=self.machine, input=json.dumps(event)
        )["executionArn"]

        def final() -> dict[str, Any] | None:
            found: dict[str, Any] = self.states.describe_execution(executionArn=execution)
            return found if found["status"] != "RUNNING" else None

        ended = until("the end of the execution", final)
        assert ended["status"] == "SUCCEEDED", ended
        output: dict[str, Any] = json.loads(ended["output"])
        return output

    def kill(self, function: str) -> int:
        """Kill every process that runs a function of this stage; gives how many there were."""
        name = f"AWS_LAMBDA_FUNCTION_NAME={self.stage.functions()[function]}".encode()
        killed = 0
        for process in environments():
            if (
                name in process[1]
                and f"AWS_ENDPOINT_URL={self.stage.aws_endpoint_url}".encode() in (process[1])
            ):
                os.kill(process[0], signal.SIGKILL)
                killed += 1
        return killed


def environments() -> Iterator[tuple[int, list[bytes]]]:
    """Give the processes of this machine with their environments."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            yield int(folder.name), (folder / "environ").read_bytes().split(b"\0")
        except (OSError, ValueError):
            continue


@dataclass(frozen=True)
class Rows:
    """Rows of flowers, with a number and a note each; notes have newlines in them."""

    count: int

    @cached_property
    def values(self) -> Any:
        random = np.random.default_rng(7)
        return (random.integers(1, 80, (self.count, 4)) / np.float32(10)).astype(np.float32)

    @cached_property
    def texts(self) -> list[list[str]]:
        return [[f"{value:.1f}" for value in column.tolist()] for column in self.values.T]

    @cached_property
    def notes(self) -> list[str]:
        return [NOTES[number % len(NOTES)] for number in range(self.count)]

    def csv(self) -> bytes:
        quoted = []
        for note in NOTES:
            line = io.StringIO()
            csv.writer(line).writerow(["", note])
            quoted.append(line.getvalue().removesuffix("\r\n"))
        lines = [
            f"{number},{a},{b},{c},{d}{quoted[number % len(NOTES)]}"
            for number, (a, b, c, d) in enumerate(zip(*self.texts, strict=True))
        ]
        return ("number," + ",".join(MEASURED) + ",note\n" + "\n".join(lines) + "\n").encode()

    def jsonl(self) -> bytes:
        lines = [f'{{"measurements":[{",".join(row)}]}}' for row in zip(*self.texts, strict=True)]
        return ("\n".join(lines) + "\n").encode()

    @cached_property
    def answers(self) -> dict[str, Any]:
        """Give what the model says of them, in a straight loop."""
        session = onnxruntime.InferenceSession("models/iris/model.onnx")
        names = [output.name for output in session.get_outputs()]
        steps = [
            session.run(None, {"measurements": self.values[at : at + STEP_ROWS]})
            for at in range(0, self.count, STEP_ROWS)
        ]
        return {name: np.concatenate(some) for name, *some in zip(names, *steps, strict=True)}

    def answered_csv(self) -> bytes:
        """Give the whole output with the input's columns before the answers."""
        given = dict(zip(MEASURED, self.texts, strict=True))
        columns: dict[str, Any] = {"number": [str(number) for number in range(self.count)]}
        # A field that is empty is no text.
        notes = [note or None for note in self.notes]
        columns |= given | {"note": notes, "label": self.answers["label"]}
        for index, column in enumerate(self.answers["probabilities"].T):
            columns[f"probabilities_{index}"] = np.ascontiguousarray(column)
        return pl.DataFrame(columns).write_csv().encode()

    def answered_jsonl(self) -> bytes:
        frame = pl.DataFrame(
            {"label": self.answers["label"], "probabilities": self.answers["probabilities"]}
        )
        return frame.write_ndjson().encode()


def rate(job: dict[str, Any], began: float) -> str:
    """Say what a job did, and how fast."""
    seconds = time.monotonic() - began
    estimated = job["estimate"]["cost_usd"]
    return (
        f"{job['rows']:,} rows in {job['shards']} shards, {seconds:.1f} s with waiting, "
        f"{job['rows_per_second']} rows/s; ${estimated:.6f} estimated, ${job['cost_usd']:.6f} paid"
    )
