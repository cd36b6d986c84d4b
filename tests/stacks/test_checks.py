"""The templates as a whole: snapshots, cdk-nag, cfn-lint, and what the laptop can deploy."""

import os
import shutil
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

from serval_cli.local.launcher.patches import sagemaker_endpoints, scaling_targets
from tests.stacks.synthesis import ROOT, Sources, Synthesised

PLATFORM = ROOT / "build/environments/platform/bin/python"
SUPPORTED = """
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS
print(*_RESOURCE_HANDLERS)
"""
LIGHT_ALONE = ("Alarms", "Description", "HttpApi", "Inference", "Layers", "Rollouts")
"""What the other snapshot has."""
SYNTH = """
import sys
from pathlib import Path
from tests.stacks.synthesis import Sources
Sources(*map(Path, sys.argv[1:4])).app(Path(sys.argv[4])).synth()
"""


@pytest.mark.parametrize("stack", ["storage", "models", "api"])
def test_a_change_to_the_account_is_reviewed(
    prod: Synthesised, stack: str, snapshot: SnapshotAssertion
) -> None:
    assert prod.templates[stack] == reviewed(snapshot)


@pytest.mark.parametrize("stack", ["api", "fleets"])
def test_a_change_to_what_fleets_bring_is_reviewed(
    heavy: Synthesised, stack: str, snapshot: SnapshotAssertion
) -> None:
    template = heavy.templates[stack]
    light = LIGHT_ALONE if stack == "api" else ()
    resources = {
        name: resource
        for name, resource in template["Resources"].items()
        if not name.startswith(light)
    }
    assert resources == reviewed(snapshot)


def reviewed(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    masked = path_type({r".*\.(S3Key|Image\.Fn::Sub)$": (str,)}, regex=True)
    return snapshot.use_extension(JSONSnapshotExtension).with_defaults(matcher=masked)


def findings(stage: Synthesised) -> list[str]:
    packs = AwsSolutionsChecks(stage.app), ServerlessChecks(stage.app)
    return [
        f"{violation.rule_name} at {resource.construct_path}"
        for pack in packs
        for violation in pack.validate_scope(stage.app).violations or []
        for resource in violation.violating_resources
    ]


@pytest.mark.parametrize("stage", ["prod", "heavy"])
def test_nag_finds_nothing_that_is_not_explained(
    stage: str, request: pytest.FixtureRequest
) -> None:
    assert findings(request.getfixturevalue(stage)) == []


def test_a_finding_without_a_reason_stops_the_synth(sources: Sources, tmp_path: Path) -> None:
    app = sources.app(tmp_path)
    Bucket(app.node.find_child("storage"), "Careless")  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match=r"(?s)storage/Careless.*AwsSolutions-S10"):
        app.synth()


@pytest.mark.parametrize("stage", ["prod", "laptop", "heavy", "heavy_laptop"])
def test_cfn_lint_finds_nothing(stage: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(stage).folder
    templates = [str(path) for path in folder.glob("*.template.json")]
    lint = [str(Path(sys.executable).with_name("cfn-lint")), *templates]
    run = subprocess.run(lint, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "")


def test_the_local_platform_knows_every_type(heavy_laptop: Synthesised) -> None:
    run = subprocess.run([PLATFORM, "-c", SUPPORTED], capture_output=True, text=True, check=True)
    used = {
        resource["Type"]
        for template in heavy_laptop.templates.values()
        for resource in template["Resources"].values()
    }
    added = {type_ for type_, _ in sagemaker_endpoints.TYPES.values()}
    added |= {scaling_targets.TARGET, scaling_targets.POLICY}
    assert used <= set(run.stdout.split()) | added
    assert added <= used


def test_synth_needs_neither_an_account_nor_a_network_nor_docker(
    heavy_sources: Sources, tmp_path: Path
) -> None:
    nowhere = {f"{scheme}_PROXY": "http://127.0.0.1:9" for scheme in ("HTTP", "HTTPS", "ALL")}
    bare: dict[str, Any] = {
        "PATH": "/nowhere",
        "JSII_NODE": node(),
        "HOME": str(tmp_path),
        **nowhere,
    }
    outdir = tmp_path / "out"
    sources = map(str, (heavy_sources.layers, heavy_sources.models, heavy_sources.fleets))
    subprocess.run(
        [sys.executable, "-c", SYNTH, *sources, str(outdir)],
        cwd=ROOT,
        env=bare,
        capture_output=True,
        check=True,
    )
    assert "aws://unknown-account/unknown-region" in (outdir / "manifest.json").read_text()
    assert len(list(outdir.glob("*.template.json"))) == 4


def node() -> str:
    return os.environ.get("JSII_NODE") or shutil.which("node") or ""
