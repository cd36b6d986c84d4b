"""A stage deploys in every partition of AWS: nothing names one."""

import json
import re
from pathlib import Path

import pytest

from tests.stacks.synthesis import ROOT, Synthesised

ARN = re.compile(r"arn:aws[a-z-]*:")
DOMAIN = re.compile(r"amazonaws\.com")
PRINCIPAL = re.compile(
    r'ServicePrincipal\("(?:logging\.)?[a-z0-9-]+\.amazonaws\.com"\)|"(?:logging\.)?[a-z0-9-]+\.amazonaws\.com"'
)
"""A service's name, which is the same everywhere."""
SOURCES = [
    path
    for folder in ("layers/core/python/serval", "functions", "stacks")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if path.name != "addresses.py"
]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_source_names_a_partition_or_its_domain(path: Path) -> None:
    text = path.read_text()
    assert not ARN.findall(text)
    assert not DOMAIN.findall(PRINCIPAL.sub("", text))


@pytest.mark.parametrize("stage", ["prod", "heavy", "scheduled"])
def test_no_template_names_a_partition_or_its_domain(
    stage: str, request: pytest.FixtureRequest
) -> None:
    synthesised: Synthesised = request.getfixturevalue(stage)
    for template in synthesised.templates.values():
        # Registries of AWS's own images differ by region: a mapping has them, those of China too.
        text = json.dumps({name: template[name] for name in template if name != "Mappings"})
        assert not ARN.findall(text)
        assert not DOMAIN.findall(PRINCIPAL.sub("", text))


def test_state_machines_and_the_api_deliver_logs_below_the_one_prefix_of_the_policy(
    prod: Synthesised,
) -> None:
    """One statement of the account's policy is for all of them; it holds 5,120 characters."""
    api = prod.templates["api"]["Resources"]
    delivered = [
        machine["LoggingConfiguration"]["Destinations"][0]["CloudWatchLogsLogGroup"]["LogGroupArn"]
        for machine in prod.properties("AWS::StepFunctions::StateMachine")
    ]
    (stage,) = prod.properties("AWS::ApiGatewayV2::Stage")
    groups = {
        name
        for name, resource in api.items()
        if resource["Type"] == "AWS::Logs::LogGroup" and "LogGroupName" in resource["Properties"]
    }
    named = [
        json.dumps(each) for each in (*delivered, stage["AccessLogSettings"]["DestinationArn"])
    ]
    assert all(any(f'"{group}"' in each for group in groups) for each in named)
    assert len(groups) == len(named) == 4
    for group in groups:
        name = api[group]["Properties"]["LogGroupName"]
        parts = name["Fn::Join"][1]
        assert parts[0].startswith("/aws/vendedlogs/")
        assert "AWS::StackId" in json.dumps(parts[1]), "a log that was kept is in nobody's way"
