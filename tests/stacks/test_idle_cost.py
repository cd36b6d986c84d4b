"""What a stage costs while nobody calls."""

import pytest

from serval_cli.deploy import idle_cost
from serval_cli.deploy.idle_cost import ALARM_DOLLARS, MADE_BY_AWS
from tests.stacks.synthesis import ROOT, Synthesised

OPERATIONS = ROOT / "docs/operations.md"
FREE_WHILE_IDLE = {
    "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::Authorizer",
    "AWS::ApiGatewayV2::Integration",
    "AWS::ApiGatewayV2::Route",
    "AWS::ApiGatewayV2::Stage",
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::AutoScaling::AutoScalingGroup",  # its machines, of which it has none
    "AWS::DynamoDB::Table",  # on demand: requests and gigabytes
    "AWS::EC2::InternetGateway",
    "AWS::EC2::LaunchTemplate",
    "AWS::EC2::Route",
    "AWS::EC2::RouteTable",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::Subnet",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::VPC",
    "AWS::EC2::VPCEndpoint",  # gateways; a test refuses interfaces
    "AWS::EC2::VPCGatewayAttachment",
    "AWS::ECS::Cluster",
    "AWS::ECS::ClusterCapacityProviderAssociations",
    "AWS::ECS::Service",  # its tasks' machines
    "AWS::ECS::TaskDefinition",
    "AWS::Events::Rule",
    "AWS::IAM::InstanceProfile",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::Lambda::EventSourceMapping",  # its polls
    "AWS::Lambda::Function",  # without provisioned concurrency or SnapStart
    "AWS::Lambda::LayerVersion",
    "AWS::Lambda::Permission",
    "AWS::Lambda::Url",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::S3::BucketPolicy",
    "AWS::Scheduler::Schedule",  # 14 million calls a month are for nothing
    "AWS::Scheduler::ScheduleGroup",
    "AWS::SageMaker::Endpoint",  # its instances, of which it has none
    "AWS::SageMaker::EndpointConfig",
    "AWS::SageMaker::Model",
    "AWS::SNS::Subscription",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::Queue",
    "AWS::SQS::QueuePolicy",
    "AWS::StepFunctions::StateMachine",  # transitions
}
BUDGET = 1.00


def alarms(stage: Synthesised) -> int:
    """Count the metrics that alarms look at, in a stage of which all has a price."""
    resources = [
        resource
        for template in stage.templates.values()
        for resource in template["Resources"].values()
    ]
    kinds = {resource["Type"] for resource in resources}
    known = FREE_WHILE_IDLE | MADE_BY_AWS.keys() | {"AWS::CloudWatch::Alarm"}
    assert kinds <= known, f"no price for {kinds - known}"
    return idle_cost.count_alarms(resources)


def test_an_idle_stage_without_fleets_costs_less_than_a_dollar_at_list_price(
    prod: Synthesised,
) -> None:
    polling = idle_cost.price_polling(
        resource
        for template in prod.templates.values()
        for resource in template["Resources"].values()
    )
    assert polling == pytest.approx(0.12, abs=0.005)
    assert alarms(prod) * ALARM_DOLLARS + polling == pytest.approx(0.52, abs=0.005)


def test_an_idle_default_stage_costs_at_most_a_dollar_a_month(default: Synthesised) -> None:
    assert 0 < alarms(default) * ALARM_DOLLARS <= BUDGET


def test_the_list_prices_of_fleets_are_as_the_docs_have_them(default: Synthesised) -> None:
    listed = alarms(default) * ALARM_DOLLARS
    assert f"two fleet models | {alarms(default)} | ${listed:.2f} |" in OPERATIONS.read_text()


def test_nothing_is_reserved_that_is_billed_by_the_hour(heavy: Synthesised) -> None:
    for function in heavy.properties("AWS::Lambda::Function"):
        assert not function.keys() & {"SnapStart", "CapacityProviderConfig"}
    for table in heavy.properties("AWS::DynamoDB::Table"):
        assert table["BillingMode"] == "PAY_PER_REQUEST"
    for gateway in heavy.properties("AWS::ApiGatewayV2::Stage"):
        assert not gateway["DefaultRouteSettings"].get("DetailedMetricsEnabled")
    for endpoint in heavy.properties("AWS::EC2::VPCEndpoint"):
        assert endpoint["VpcEndpointType"] == "Gateway"
    for mapping in heavy.properties("AWS::Lambda::EventSourceMapping"):
        assert "ProvisionedPollerConfig" not in mapping


def test_the_sweep_alone_goes_by_the_clock(prod: Synthesised, heavy: Synthesised) -> None:
    for stage in (prod, heavy):
        states = {
            rule["ScheduleExpression"]: rule["State"]
            for rule in stage.properties("AWS::Events::Rule")
            if "ScheduleExpression" in rule
        }
        assert states == {"rate(1 minute)": "DISABLED", "rate(10 minutes)": "ENABLED"}


def test_rollouts_and_batch_jobs_are_billed_by_transitions_alone(prod: Synthesised) -> None:
    for machine in prod.properties("AWS::StepFunctions::StateMachine"):
        assert machine.get("StateMachineType", "STANDARD") == "STANDARD"


def test_alarms_cover_answers_rollouts_and_dead_letters(prod: Synthesised) -> None:
    watched = {
        (alarm["Namespace"], alarm["MetricName"])
        for alarm in prod.properties("AWS::CloudWatch::Alarm")
    }
    assert watched == {
        ("AWS/ApiGateway", "5xx"),
        ("AWS/States", "ExecutionsFailed"),
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible"),
    }
