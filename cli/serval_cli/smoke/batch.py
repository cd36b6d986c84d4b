"""Run batch jobs started by call, upload and schedule, and compare them with realtime answers."""

import csv
import io
import random
import time
from typing import Any

from serval_cli.smoke.bundles import LIGHT
from serval_cli.smoke.realtime import INFER, build_request
from serval_cli.smoke.report import Report, await_value
from serval_cli.smoke.stages import SmokeStage

ROWS = 1_000
ASKED_AT_ONCE = 100
COLUMNS = ("sepal_length", "sepal_width", "petal_length", "petal_width")
OPTIONS = {"columns": {"measurements": list(COLUMNS)}}
ENDED = {"succeeded", "failed", "cancelled"}
JOB_SECONDS, CLOCK_SECONDS = 300, 200
MOST_USD = 0.01
"""A job of a thousand rows costs Step Functions transitions and a few seconds of Lambda."""


class BatchFlow:
    """The same rows, sent as realtime requests and as jobs of three origins."""

    def __init__(self, stage: SmokeStage, report: Report, key: str) -> None:
        self._stage, self._report, self._key = stage, report, key
        self._bucket = stage.cli_stage.payloads.bucket
        self._s3 = stage.cli_stage.client("s3")
        seeded = random.Random(1)
        self._rows = [[round(seeded.uniform(0.1, 8), 1) for _ in COLUMNS] for _ in range(ROWS)]
        self._labels = self._ask()

    def call(self) -> None:
        """Start a job through the command line, after estimating it."""
        file = self._stage.work / "rows.csv"
        file.write_bytes(self._file())
        columns = f"measurements={','.join(COLUMNS)}"
        words = ("batch", "run", LIGHT, str(file), "--columns", columns)
        estimate = self._stage.serval(*words, "--dry-run", "--api-key", self._key)
        job = self._stage.serval(*words, "--api-key", self._key)
        self._compare("a job by call", self._end(job["id"]))
        self._report.line(f"       estimated {estimate['cost_usd']:.6f} USD")

    def upload(self) -> None:
        """Start a job by an upload."""
        key = f"batch/{LIGHT}/in/uploaded-{time.time_ns()}.csv"
        self._put(key, self._file())
        self._compare("a job by upload", self._end(self._job_of(key, JOB_SECONDS)))

    def schedule_job(self) -> None:
        """Declare a schedule for every minute, deploy again, and wait for its job."""
        prefix = f"batch/{LIGHT}/clock/"
        self._put(f"{prefix}rows.csv", self._file())
        schedule = {
            "name": "minutely",
            "cron": "* * * * ? *",
            "input": f"s3://{self._bucket}/{prefix}rows.csv",
            "output": f"s3://{self._bucket}/batch/{LIGHT}/clocked/{{job}}/",
            "options": OPTIONS,
        }
        self._stage.bundles.write_light("1", schedules=[schedule])
        self._stage.deploy()
        job = self._job_of(f"{prefix}rows.csv", CLOCK_SECONDS)
        self._stage.bundles.write_light("1")
        self._stage.deploy()
        self._compare("a job by the clock", self._end(job))
        left = self._stage.serval("schedules")["schedules"]
        self._report.expect("the schedule goes with the next deploy", left, [])

    def _ask(self) -> list[int]:
        labels: list[int] = []
        with self._stage.client(self._key) as client:
            for start in range(0, ROWS, ASKED_AT_ONCE):
                rows = self._rows[start : start + ASKED_AT_ONCE]
                labels += client.post(INFER, json=build_request(*rows)).json()["outputs"][0]["data"]
        return labels

    def _file(self) -> bytes:
        text = io.StringIO()
        csv.writer(text).writerows([COLUMNS, *self._rows])
        return text.getvalue().encode()

    def _put(self, key: str, body: bytes) -> None:
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=body)

    def _job_of(self, key: str, seconds: float) -> str:
        address = f"s3://{self._bucket}/{key}"

        def look() -> str | None:
            with self._stage.client(self._key) as client:
                jobs = client.get("/batch/jobs", params={"model": LIGHT}).json()["jobs"]
            return next((str(job["id"]) for job in jobs if job["input"] == address), None)

        return await_value(f"a job of {address}", look, seconds)

    def _end(self, job: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            with self._stage.client(self._key) as client:
                document: dict[str, Any] = client.get(f"/batch/jobs/{job}").json()
            return document if document["status"] in ENDED else None

        return await_value(f"the end of job {job}", look, JOB_SECONDS)

    def _compare(self, name: str, job: dict[str, Any]) -> None:
        """Compare a job's output with the realtime answers."""
        found = (job["status"], job["rows"], job["rejected"], job["error"])
        self._report.expect(name, found, ("succeeded", ROWS, 0, None))
        if job["status"] != "succeeded":
            return
        key = job["output"].removeprefix(f"s3://{self._bucket}/") + "output.csv"
        body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read().decode()
        labels = [int(row["label"]) for row in csv.DictReader(io.StringIO(body))]
        self._report.verdict(
            f"{name}: {ROWS} labels as realtime gives them", labels == self._labels, "they differ"
        )
        cost = job["cost_usd"]
        self._report.verdict(
            f"{name}: cost {cost:.6f} USD", 0 < cost < MOST_USD, f"up to {MOST_USD} USD expected"
        )
