"""SageMaker fleets: an async endpoint that scales from zero and back, and tells what has ended."""

import json
from typing import Any

import pytest

from serval.fleets.endpoints.dispatch import LOOKING, PATIENCE
from tests.stacks.synthesis import ROOT, Synthesised

NAME = "serval-prod-managed"
OF_ENDPOINT = [{"Name": "EndpointName", "Value": NAME}]


def policies(stage: Synthesised) -> dict[str, dict[str, Any]]:
    return {
        each["PolicyType"]: dict(each)
        for each in stage.properties("AWS::ApplicationAutoScaling::ScalingPolicy")
    }


def test_an_endpoint_may_have_no_instance_at_all(heavy: Synthesised) -> None:
    (target,) = heavy.properties("AWS::ApplicationAutoScaling::ScalableTarget")
    assert (target["MinCapacity"], target["MaxCapacity"]) == (0, 3)
    assert target["ResourceId"] == f"endpoint/{NAME}/variant/worker"
    assert target["ScalableDimension"] == "sagemaker:variant:DesiredInstanceCount"
    (endpoint,) = heavy.properties("AWS::SageMaker::Endpoint")
    assert endpoint["EndpointName"] == NAME


def test_it_grows_and_shrinks_on_what_waits_for_each_instance(heavy: Synthesised) -> None:
    tracking = policies(heavy)["TargetTrackingScaling"]
    settings = tracking["TargetTrackingScalingPolicyConfiguration"]
    metric = settings["CustomizedMetricSpecification"]
    assert metric["MetricName"] == "ApproximateBacklogSizePerInstance"
    assert metric["Dimensions"] == OF_ENDPOINT
    # One runs and one waits at an instance that is busy, and dispatch leaves no more there.
    assert 1 < settings["TargetValue"] < 2
    assert settings["ScaleInCooldown"] == 600


def test_it_wakes_on_what_waits_for_none(heavy: Synthesised) -> None:
    (alarm,) = [
        dict(each)
        for each in heavy.properties("AWS::CloudWatch::Alarm")
        if each["MetricName"] == "HasBacklogWithoutCapacity"
    ]
    assert (alarm["Threshold"], alarm["Dimensions"]) == (1, OF_ENDPOINT)
    (action,) = alarm["AlarmActions"]
    woken = heavy.resource("fleets", action["Ref"])["Properties"]
    assert woken == policies(heavy)["StepScaling"]
    scaling = woken["StepScalingPolicyConfiguration"]
    (step,) = scaling["StepAdjustments"]
    assert step["ScalingAdjustment"] == 1


def test_an_alarm_that_rings_twice_wakes_one_instance(heavy: Synthesised) -> None:
    scaling = policies(heavy)["StepScaling"]["StepScalingPolicyConfiguration"]
    assert scaling["AdjustmentType"] == "ExactCapacity"


def test_an_endpoints_host_has_the_driver_that_the_workers_cuda_wants(heavy: Synthesised) -> None:
    dockerfile = (ROOT / "functions/worker/Dockerfile").read_text()
    assert "CUDA_BASE=nvidia/cuda:13." in dockerfile
    (config,) = heavy.properties("AWS::SageMaker::EndpointConfig")
    (variant,) = config["ProductionVariants"]
    assert variant["InferenceAmiVersion"] == "al2023-ami-sagemaker-inference-gpu-4-1"


def test_it_scales_once_it_is_there(heavy: Synthesised) -> None:
    resources = heavy.templates["fleets"]["Resources"]
    (endpoint,) = [n for n, each in resources.items() if each["Type"] == "AWS::SageMaker::Endpoint"]
    (target,) = heavy.resources("AWS::ApplicationAutoScaling::ScalableTarget")
    assert endpoint in target["DependsOn"]


def test_it_answers_asynchronously_below_a_prefix_of_the_data_bucket(heavy: Synthesised) -> None:
    (config,) = heavy.properties("AWS::SageMaker::EndpointConfig")
    output = config["AsyncInferenceConfig"]["OutputConfig"]
    for path in (output["S3OutputPath"], output["S3FailurePath"]):
        assert path["Fn::Join"][1][-1] == "/async-out/"
    (variant,) = config["ProductionVariants"]
    assert (variant["InstanceType"], variant["VariantName"]) == ("ml.g5.xlarge", "worker")


def test_notices_reach_complete_by_encrypted_topics_that_refuse_plain_http(
    heavy: Synthesised,
) -> None:
    topics = heavy.properties("AWS::SNS::Topic")
    subscriptions = heavy.properties("AWS::SNS::Subscription")
    assert len(topics) == len(subscriptions) == 2
    (config,) = heavy.properties("AWS::SageMaker::EndpointConfig")
    told = config["AsyncInferenceConfig"]["OutputConfig"]["NotificationConfig"]
    names = {told[f"{outcome}Topic"]["Fn::Join"][1][-1] for outcome in ("Success", "Error")}
    assert names == {f":{topic['TopicName']}" for topic in topics}
    for topic in topics:
        assert "alias/aws/sns" in json.dumps(topic["KmsMasterKeyId"])
    for subscription in subscriptions:
        assert subscription["Endpoint"] == {"Fn::GetAtt": [heavy.functions["complete"], "Arn"]}
    assert len(heavy.properties("AWS::SNS::TopicPolicy")) == 2


def test_a_dispatch_is_ended_before_another_one_takes_its_duty(heavy: Synthesised) -> None:
    seconds = heavy.function("dispatch")["Timeout"]
    assert PATIENCE.total_seconds() < seconds < LOOKING.total_seconds()


def test_dispatch_is_called_by_name_where_there_are_endpoints(
    prod: Synthesised, heavy: Synthesised
) -> None:
    for name in ("submit", "wait", "tick", "sweep", "complete"):
        told = heavy.function(name)["Environment"]["Variables"]
        assert told["DISPATCH_FUNCTION"] == {"Ref": heavy.functions["dispatch"]}
        assert prod.function(name)["Environment"]["Variables"]["DISPATCH_FUNCTION"] == ""
    assert "DISPATCH_FUNCTION" not in heavy.function("dispatch")["Environment"]["Variables"]


def test_its_image_is_the_workers_and_on_a_laptop_a_name(
    heavy: Synthesised, heavy_laptop: Synthesised
) -> None:
    (model,), (local,) = (
        stage.properties("AWS::SageMaker::Model") for stage in (heavy, heavy_laptop)
    )
    assert "container-assets" in json.dumps(model["PrimaryContainer"]["Image"])
    assert local["PrimaryContainer"]["Image"] == "serval-worker"


@pytest.mark.parametrize("stage", ["heavy", "heavy_laptop"])
def test_its_container_is_told_where_artifacts_are_and_of_no_table(
    stage: str, request: pytest.FixtureRequest
) -> None:
    (model,) = request.getfixturevalue(stage).properties("AWS::SageMaker::Model")
    told = model["PrimaryContainer"]["Environment"]
    assert told.keys() == {"AWS_REGION", "ARTIFACT_BUCKET", "FLEET", "FLEETS", "STAGE"}
