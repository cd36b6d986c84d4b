"""The templates as a whole: snapshots, cdk-nag, cfn-lint, and what the laptop can deploy."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aws_cdk.aws_s3 import Bucket
from cdk_nag import AwsSolutionsChecks, ServerlessChecks
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension
from syrupy.matchers import path_type

from tests.stacks.synthesis import ROOT, Sources, Synthesised

PLATFORM = ROOT / "build/environments/platform/bin/python"
SUPPORTED = """
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS
print(*_RESOURCE_HANDLERS)
"""
SYNTH = """
import sys
from pathlib import Path
from tests.stacks.synthesis import Sources
Sources(Path(sys.argv[1]), Path(sys.argv[2])).app(Path(sys.argv[3])).synth()
"""


@pytest.mark.parametrize("stack", ["storage", "api"])
def test_a_change_to_the_account_is_reviewed(
    prod: Synthesised, stack: str, snapshot: SnapshotAssertion
) -> None:
    masked = path_type({r".*\.S3Key$": (str,)}, regex=True)
    reviewed = snapshot.use_extension(JSONSnapshotExtension).with_defaults(matcher=masked)
    assert prod.templates[stack] == reviewed


def findings(stage: Synthesised) -> list[str]:
    packs = AwsSolutionsChecks(stage.app), ServerlessChecks(stage.app)
    return [
        f"{violation.rule_name} at {resource.construct_path}"
        for pack in packs
        for violation in pack.validate_scope(stage.app).violations or []
        for resource in violation.violating_resources
    ]


def test_nag_finds_nothing_that_is_not_explained(prod: Synthesised) -> None:
    assert findings(prod) == []


def test_a_finding_without_a_reason_stops_the_synth(sources: Sources, tmp_path: Path) -> None:
    app = sources.app(tmp_path)
    Bucket(app.node.find_child("storage"), "Careless")  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match=r"(?s)storage/Careless.*AwsSolutions-S10"):
        app.synth()


@pytest.mark.parametrize("stage", ["prod", "laptop"])
def test_cfn_lint_finds_nothing(stage: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(stage).folder
    templates = [str(path) for path in folder.glob("*.template.json")]
    lint = [str(Path(sys.executable).with_name("cfn-lint")), *templates]
    run = subprocess.run(lint, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "")


def test_the_local_platform_knows_every_type(laptop: Synthesised) -> None:
    run = subprocess.run([PLATFORM, "-c", SUPPORTED], capture_output=True, text=True, check=True)
    used = {
        resource["Type"]
        for template in laptop.templates.values()
        for resource in template["Resources"].values()
    }
    assert used <= set(run.stdout.split())


def test_synth_needs_neither_an_account_nor_a_network(sources: Sources, tmp_path: Path) -> None:
    nowhere = {f"{scheme}_PROXY": "http://127.0.0.1:9" for scheme in ("HTTP", "HTTPS", "ALL")}
    bare: dict[str, Any] = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **nowhere}
    outdir = tmp_path / "out"
    subprocess.run(
        [sys.executable, "-c", SYNTH, str(sources.layers), str(sources.models), str(outdir)],
        cwd=ROOT,
        env=bare,
        capture_output=True,
        check=True,
    )
    text = (outdir / "api.template.json").read_text() + (outdir / "manifest.json").read_text()
    assert "aws://unknown-account/unknown-region" in text
