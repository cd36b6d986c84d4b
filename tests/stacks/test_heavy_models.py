"""Heavy models in the API's stack: routes, queues, callbacks, and what functions are told."""

import json
from typing import Any

import pytest

from serval.models.deployed_fleets import Fleets
from serval.requests.callbacks.messages import ATTEMPTS
from serval.settings import unpack
from stacks.fleets.model_queues import RECEIPTS
from stacks.stage.context import InvalidContext
from tests.stacks.rights import rights
from tests.stacks.synthesis import Sources, Synthesised
from tests.stacks.test_http_api import leads_to

MODELS = ("seen", "heard", "told", "drawn", "sorted", "meant")


def test_async_requests_have_routes_of_their_own(heavy: Synthesised) -> None:
    routes = leads_to(heavy)
    assert {key for key, name in routes.items() if name == "submit"} == {
        "POST /async/models/{model}/infer",
        "POST /async/models/{model}/versions/{version}/infer",
        "POST /async/models/{model}/uploads",
        "POST /async/models/{model}/versions/{version}/uploads",
        "PUT /async/requests/{id}",
        "POST /async/requests/{id}/retry",
        "POST /endpoints/{model}/async-invocations",
    }
    assert {key for key, name in routes.items() if name == "requests"} == {
        "GET /async/requests",
        "GET /async/requests/{id}",
        "GET /async/requests/{id}/events",
        "DELETE /async/requests/{id}",
    }


def test_infer_hands_other_calls_of_models_on_fleets_to_wait(heavy: Synthesised) -> None:
    variables = heavy.function("infer")["Environment"]["Variables"]
    assert sorted(json.loads(unpack(variables["FLEET_MODELS"]))) == sorted(MODELS)
    assert variables["WAIT_FUNCTION"] == {"Ref": heavy.functions["wait"]}
    assert "wait" in rights(heavy, heavy.statements("infer"))["lambda:InvokeFunction"]
    assert "FLEET_MODELS" not in heavy.function("infer-heavier")["Environment"]["Variables"]


def test_callers_wait_for_fleet_models_over_v2_and_in_words_of_their_own(
    heavy: Synthesised,
) -> None:
    waiting = {key for key, name in leads_to(heavy).items() if name == "wait"}
    assert waiting == {
        f"POST {path}"
        for model in MODELS
        for own in (f"/models/{model}", f"/models/{model}/versions/{{version}}")
        for path in (own, f"/v2{own}/infer")
    }


@pytest.mark.parametrize("model", MODELS)
def test_a_fleet_model_has_a_queue_and_a_dead_letter_queue_by_fixed_names(
    heavy: Synthesised, model: str
) -> None:
    queues = {
        each["QueueName"]: each
        for each in heavy.properties("AWS::SQS::Queue")
        if "QueueName" in each
    }
    queue, dead = queues[f"serval-prod-{model}"], queues[f"serval-prod-{model}-dead"]
    fourteen_days = 14 * 24 * 3600
    for each in (queue, dead):
        assert each["MessageRetentionPeriod"] == fourteen_days
        assert each["SqsManagedSseEnabled"] is True
    assert queue["RedrivePolicy"]["maxReceiveCount"] == 50
    target = heavy.resource(
        "fleets", queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]
    )
    assert target["Properties"] == dead


def test_each_models_dead_letters_ring_an_alarm(heavy: Synthesised) -> None:
    watched = set()
    for template in heavy.templates.values():
        for resource in template["Resources"].values():
            if resource["Type"] != "AWS::CloudWatch::Alarm":
                continue
            alarm = resource["Properties"]
            if alarm["MetricName"] != "ApproximateNumberOfMessagesVisible":
                continue
            (dimension,) = alarm["Dimensions"]
            queue = template["Resources"][dimension["Value"]["Fn::GetAtt"][0]]["Properties"]
            watched.add(queue.get("QueueName"))
            assert (alarm["Threshold"], alarm["EvaluationPeriods"]) == (1, 1)
    others = {None, "serval-prod-schedules-dead"}
    assert watched == {*others, *(f"serval-prod-{model}-dead" for model in MODELS)}


def test_callbacks_are_retried_one_by_one_and_then_kept(heavy: Synthesised) -> None:
    queue = mapped_queue(heavy, "callback")
    assert queue["QueueName"] == "serval-prod-callbacks"
    assert queue["RedrivePolicy"]["maxReceiveCount"] == ATTEMPTS


def test_requests_of_models_on_lambda_are_run_one_by_one(prod: Synthesised) -> None:
    queue = mapped_queue(prod, "answer")
    assert queue["QueueName"] == "serval-prod-light-requests"
    assert queue["RedrivePolicy"]["maxReceiveCount"] == RECEIPTS


def mapped_queue(stage: Synthesised, function: str) -> dict[str, Any]:
    """Give the queue whose messages are events of a function, each one alone."""
    (mapping,) = (
        each
        for each in stage.properties("AWS::Lambda::EventSourceMapping")
        if each["FunctionName"] == {"Ref": stage.functions[function]}
    )
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["BatchSize"] == 1
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 2}
    queue = stage.resource("api", mapping["EventSourceArn"]["Fn::GetAtt"][0])["Properties"]
    assert queue["VisibilityTimeout"] >= 6 * stage.function(function)["Timeout"]
    return dict(queue)


def test_functions_are_told_of_fleets_alike(heavy: Synthesised) -> None:
    told = {
        name: heavy.function(name)["Environment"]["Variables"]["FLEETS"]
        for name in (
            "submit",
            "wait",
            "tick",
            "sweep",
            "fallback",
            "dispatch",
            "complete",
            "verify",
        )
    }
    (text,) = set(told.values())
    assert text == heavy.templates["api"]["Outputs"]["Fleets"]["Value"]
    fleets = Fleets.from_text(text).by_name
    assert fleets.keys() == {
        "gpu",
        "served",
        "inferentia",
        "plain",
        "managed",
    }


def test_only_a_laptop_calls_back_to_itself(heavy: Synthesised, heavy_laptop: Synthesised) -> None:
    for stage, local in ((heavy, "0"), (heavy_laptop, "1")):
        for name in ("submit", "callback"):
            told = stage.function(name)["Environment"]["Variables"]
            assert told["CALLBACK_LOCAL"] == local


def test_models_and_fleets_come_from_elsewhere_if_the_context_says_so(
    heavy: Synthesised, sources: Sources, heavy_sources: Sources, tmp_path: object
) -> None:
    app = sources.app(
        heavy.folder / "again",
        models=str(heavy_sources.models),
        fleets=str(heavy_sources.fleets),
    )
    assert app.node.try_find_child("fleets") is not None


def test_a_folder_that_is_not_there_is_refused_by_name(sources: Sources, tmp_path: object) -> None:
    with pytest.raises(InvalidContext, match=r"context 'models': 'nowhere' given, a path that"):
        sources.app(tmp_path, models="nowhere")  # type: ignore[arg-type]
