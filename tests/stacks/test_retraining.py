"""docs/schedules.md: the rule that starts a pipeline hears what a schedule says."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App
from aws_cdk.assertions import Template

from serval.bundles.bundle import Bundle, read_bundle
from serval.bundles.schedules import RETRAIN_DETAIL_TYPE, RETRAIN_SOURCE, retrain_detail

DOCUMENT = (Path(__file__).parents[2] / "docs" / "schedules.md").read_text()


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)
    assert found, language
    return found[1]


@pytest.fixture(scope="module")
def template() -> Template:
    names: dict[str, Any] = {}
    exec(block("python"), names)
    return Template.from_stack(names["RetrainIris"](App(), "retrain-iris"))


def test_the_rule_of_the_documentation_matches_the_event_of_a_schedule(template: Template) -> None:
    (rule,) = template.find_resources("AWS::Events::Rule").values()
    pattern = rule["Properties"]["EventPattern"]
    assert pattern["source"] == [RETRAIN_SOURCE]
    assert pattern["detail-type"] == [RETRAIN_DETAIL_TYPE]
    assert retrain_detail("iris", "monthly")["model"] in pattern["detail"]["model"]


def test_the_rule_may_start_that_pipeline_and_nothing_else(template: Template) -> None:
    (policy,) = template.find_resources("AWS::IAM::Policy").values()
    (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
    assert statement["Action"] == "sagemaker:StartPipelineExecution"
    (rule,) = template.find_resources("AWS::Events::Rule").values()
    assert statement["Resource"] == rule["Properties"]["Targets"][0]["Arn"]


def test_the_bundle_and_the_event_of_the_documentation_are_real() -> None:
    bundle: Bundle = read_bundle(block("yaml"))
    event = json.loads(block("json"))
    assert [one.name for one in bundle.retrain] == [event["detail"]["name"]]
    assert event["detail"].keys() == retrain_detail("iris", "monthly").keys()
    assert (event["source"], event["detail-type"]) == (RETRAIN_SOURCE, RETRAIN_DETAIL_TYPE)
