"""Templates pass checkov's rules, but for those that are kept with a reason."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.stacks.checkov_skips import SKIPS
from tests.stacks.synthesis import ROOT, Synthesised

PYTHON = ROOT / "build/environments/checkov/bin/python"
NOWHERE = {"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}


@pytest.fixture(scope="module")
def results(heavy: Synthesised, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """Check every stack of a stage with fleets of every sort, without a network."""
    home = tmp_path_factory.mktemp("home")
    templates = [str(path) for path in sorted(heavy.folder.glob("*.template.json"))]
    offline = ["--framework", "cloudformation", "--skip-download", "--quiet", "--compact"]
    run = subprocess.run(
        [PYTHON, PYTHON.with_name("checkov"), *offline, "--output", "json", "--file", *templates],
        cwd=home,
        env={"HOME": str(home), "PATH": "/usr/bin:/bin", **NOWHERE},
        capture_output=True,
        text=True,
        check=False,
    )
    found: Mapping[str, Any] = json.loads(run.stdout)
    return found


def failed_checks(results: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return each check that failed, with the logical id where it did."""
    return {
        (check["check_id"], check["resource"].split(".", 1)[1])
        for check in results["results"]["failed_checks"]
    }


def test_checkov_finds_nothing_that_is_not_explained(results: Mapping[str, Any]) -> None:
    unexplained = {
        (check, resource)
        for check, resource in failed_checks(results)
        if check not in SKIPS or not resource.startswith(SKIPS[check][0])
    }
    assert unexplained == set()


def test_checkov_read_every_template(results: Mapping[str, Any], heavy: Synthesised) -> None:
    assert results["summary"]["parsing_errors"] == 0
    read = {Path(check["file_path"]).name for check in results["results"]["failed_checks"]}
    assert read == {f"{stack}.template.json" for stack in heavy.templates}


def test_no_finding_is_kept_that_is_there_no_more(results: Mapping[str, Any]) -> None:
    assert SKIPS.keys() == {check for check, _ in failed_checks(results)}
