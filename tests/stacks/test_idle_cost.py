"""What a stage costs while nobody calls."""

from tests.stacks.synthesis import Synthesised

PRICES_OF = "2026-11-21"
"""us-east-1, list, USD; what is not here yet is added with the resource that needs it."""
PER_MONTH = {
    "AWS::CloudWatch::Alarm": 0.10,  # for each metric
}
FREE_WHILE_IDLE = {
    "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::Authorizer",
    "AWS::ApiGatewayV2::Integration",
    "AWS::ApiGatewayV2::Route",
    "AWS::ApiGatewayV2::Stage",
    "AWS::DynamoDB::Table",  # on demand: requests and gigabytes
    "AWS::Events::Rule",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::Lambda::Function",  # without provisioned concurrency or SnapStart
    "AWS::Lambda::LayerVersion",
    "AWS::Lambda::Permission",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::S3::BucketPolicy",
    "AWS::SQS::Queue",
    "AWS::SQS::QueuePolicy",
    "AWS::StepFunctions::StateMachine",  # transitions
}
BUDGET = 1.00


def test_an_idle_stage_costs_at_most_a_dollar_a_month(prod: Synthesised) -> None:
    total = 0.0
    for template in prod.templates.values():
        for name, resource in template["Resources"].items():
            kind, properties = resource["Type"], resource.get("Properties", {})
            if kind == "AWS::CloudWatch::Alarm":
                total += PER_MONTH[kind] * len(properties.get("Metrics", [properties]))
            elif kind in PER_MONTH:
                total += PER_MONTH[kind]
            else:
                assert kind in FREE_WHILE_IDLE, f"{name}: no price of {PRICES_OF} for {kind}"
    assert 0 < total <= BUDGET


def test_nothing_is_reserved_that_is_billed_by_the_hour(prod: Synthesised) -> None:
    for function in prod.properties("AWS::Lambda::Function"):
        assert not function.keys() & {"SnapStart", "CapacityProviderConfig"}
    for table in prod.properties("AWS::DynamoDB::Table"):
        assert table["BillingMode"] == "PAY_PER_REQUEST"
    for gateway in prod.properties("AWS::ApiGatewayV2::Stage"):
        assert not gateway["DefaultRouteSettings"].get("DetailedMetricsEnabled")


def test_rollouts_are_billed_by_transitions_alone(prod: Synthesised) -> None:
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
