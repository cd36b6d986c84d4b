"""Deploy, reach and destroy the stage under test."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from serval_cli.failures import CommandFailed
from serval_cli.smoke.bundles import SmokeBundles
from serval_cli.smoke.report import FlowBroken
from serval_cli.stages.choice import LOCAL
from serval_cli.stages.stage import Stage, find_stage

CHECKOUT = Path(__file__).resolve().parents[3]
STORAGE = "storage"
"""The stack whose buckets and tables are retained when it is destroyed."""


@dataclass(frozen=True)
class SmokeStage:
    """A stage made for this run, in the current AWS account or on this machine."""

    name: str
    work: Path
    bundles: SmokeBundles

    @property
    def on_laptop(self) -> bool:
        """Whether the stage runs on the local platform."""
        return self.name == LOCAL

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment of commands that work on this stage."""
        return {"SERVAL_STAGE": self.name, "SERVAL_STATE": str(self.work / "state")}

    def refuse_one_in_use(self) -> None:
        """Raise ``CommandFailed`` if a stage of this name exists, which the run would destroy."""
        if self.on_laptop:
            return  # it has a state folder of its own
        client = self.cli_stage.client("cloudformation")
        name = f"serval-{self.name}-{STORAGE}"
        pages = client.get_paginator("list_stacks").paginate()
        for page in pages:
            for stack in page["StackSummaries"]:
                if stack["StackName"] == name and stack["StackStatus"] != "DELETE_COMPLETE":
                    raise CommandFailed(
                        f"stage {self.name!r} is there already, and this run would destroy it: "
                        "choose another name with --stage"
                    )

    def deploy(self) -> None:
        """Deploy the stage, or what changed of it."""
        if self.on_laptop:
            models, fleets = str(self.bundles.folder), str(self.bundles.fleets_file)
            self._run([*SERVAL, "local", "up", "--detach", "--models", models, "--fleets", fleets])
            return
        self._run([*self._cdk("deploy"), "--require-approval", "never"])

    def destroy(self) -> None:
        """Destroy the stage; in AWS, empty and delete its buckets and tables too."""
        if self.on_laptop:
            self._run([*SERVAL, "local", "down"])
            return
        retained = self._retained_resources()
        self._run([*self._cdk("destroy"), "--force"])
        for kind, name in retained:
            self._delete(kind, name)

    @cached_property
    def cli_stage(self) -> Stage:
        """The stage as the command line finds it."""
        os.environ.update(self.environment)
        return find_stage(self.name)

    def serval(self, *words: str) -> Any:
        """Run a command of the CLI and return its JSON.

        Raises
        ------
        FlowBroken
            If it failed.
        """
        run = self.try_serval(*words)
        if run.returncode:
            raise FlowBroken(f"serval {' '.join(words)}: {run.stderr.strip()}")
        return json.loads(run.stdout)

    def try_serval(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of the CLI that may fail."""
        return subprocess.run(
            [*SERVAL, *words, "--json"],
            cwd=CHECKOUT,
            env=os.environ | dict(self.environment),
            capture_output=True,
            text=True,
            check=False,
        )

    def client(self, key: str | None) -> httpx.Client:
        """Create an HTTP client that sends the key."""
        headers = {"x-api-key": key} if key else {}
        return httpx.Client(base_url=self.cli_stage.api_url, headers=headers, timeout=60)

    def _cdk(self, command: str) -> Sequence[str]:
        context = {
            "stage": self.name,
            "models": self.bundles.folder,
            "fleets": self.bundles.fleets_file,
        }
        words = [word for name, value in context.items() for word in ("-c", f"{name}={value}")]
        return [str(CHECKOUT / "node_modules/.bin/cdk"), command, "--all", *words]

    def _retained_resources(self) -> Sequence[tuple[str, str]]:
        pages = self.cli_stage.client("cloudformation").get_paginator("list_stack_resources")
        return [
            (resource["ResourceType"], resource["PhysicalResourceId"])
            for page in pages.paginate(StackName=f"serval-{self.name}-{STORAGE}")
            for resource in page["StackResourceSummaries"]
            if resource["ResourceType"] in {"AWS::S3::Bucket", "AWS::DynamoDB::Table"}
        ]

    def _delete(self, kind: str, name: str) -> None:
        if kind == "AWS::DynamoDB::Table":
            self.cli_stage.client("dynamodb").delete_table(TableName=name)
            return
        s3 = self.cli_stage.client("s3")
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=name)
        for page in pages:
            entries = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            if entries:
                keys = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in entries]
                s3.delete_objects(Bucket=name, Delete={"Objects": keys, "Quiet": True})
        s3.delete_bucket(Bucket=name)

    def _run(self, command: Sequence[str]) -> None:
        environment = os.environ | dict(self.environment)
        subprocess.run(command, cwd=CHECKOUT, env=environment, check=True)


SERVAL = (sys.executable, "-m", "serval_cli.main")
