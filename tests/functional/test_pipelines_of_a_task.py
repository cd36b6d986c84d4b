"""Pipelines that stand for a model of a task: asked and answered as one, in every protocol."""

import base64
import io
import json
import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.camera import build as camera
from serval.errors import BundleRefused
from serval.models.metadata import model_metadata
from serval.models.signature import Signature, TensorSpec
from tests.fakes.batch import BatchStage
from tests.fakes.inference import Bench, answer, event, refusal, task_event
from tests.fakes.pipelines import publish_pipeline, ready_bench

MOOD = """
name: mood
task: text-classification
steps:
  - {name: read, model: sentiment}
output: read
"""
STEP = "- {name: read, model: sentiment}"
RULE = """
name: mood
task: TASK
steps:
  - {name: read, rule: 'VALUE'}
output: read
"""
PEOPLE = """
name: people
task: object-detection
steps: [{name: seen, model: camera}]
output: seen[label = "person"]
"""


@pytest.fixture
def ready(tmp_path: Path) -> Bench:
    made = ready_bench(tmp_path)
    publish_pipeline(made.edge, MOOD)
    return made


def ask(ready: Bench, body: Any, model: str = "mood", **headers: str) -> dict[str, Any]:
    sent = body if isinstance(body, str | bytes) else json.dumps(body)
    return ready.endpoint.reply(task_event(model, sent, **headers))


def told(reply: dict[str, Any]) -> Any:
    assert reply["statusCode"] == 200, reply
    return json.loads(reply["body"])


def at(ready: Bench, path: str, document: Any) -> dict[str, Any]:
    """Post to a path of another protocol."""
    made = task_event("mood", json.dumps(document), content_type="application/json")
    made["requestContext"]["http"]["path"] = path
    return ready.endpoint.reply(made | {"rawPath": path})


def publish_anew(ready: Bench, text: str) -> None:
    publish_pipeline(ready.edge, text)
    ready.endpoint.inference.loaded.let_go("mood", "1")


def publish_rule(ready: Bench, value: str, task: str = "text-classification") -> None:
    publish_anew(ready, RULE.replace("TASK", task).replace("VALUE", value))


def refused(ready: Bench, text: str) -> str:
    with pytest.raises(BundleRefused) as caught:
        publish_pipeline(ready.edge, text)
    return caught.value.reasons[0]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ({"inputs": "good good bad", "parameters": {}}, "application/json"),
        ({"inputs": ["good", "bad bad"]}, "application/json"),
        ("good", "text/plain"),
        (b"good", ""),
    ],
)
def test_a_body_is_answered_as_a_model_of_the_task_answers_it(
    ready: Bench, body: Any, content_type: str
) -> None:
    headers = {"content_type": content_type} if content_type else {}
    mine = told(ask(ready, body, **headers))
    assert mine == told(ask(ready, body, "sentiment", **headers))
    assert mine[0][0]["label"] == "POSITIVE"


def test_every_input_of_a_list_is_a_run_that_is_timed_with_the_others(ready: Bench) -> None:
    reply = ask(ready, {"inputs": ["good", "bad", "good"]})
    assert [one[0]["label"] for one in told(reply)] == ["POSITIVE", "NEGATIVE", "POSITIVE"]
    assert reply["headers"]["server-timing"].count("step-read;dur=") == 1
    assert reply["headers"]["serval-step-versions"] == "read=1"


def test_parameters_go_to_the_expressions_that_read_them(ready: Bench) -> None:
    step = "- {name: read, model: sentiment, input: {text: text, parameters: parameters}}"
    publish_pipeline(ready.edge, MOOD.replace(STEP, step))
    assert len(told(ask(ready, {"inputs": "good", "parameters": {"top_k": 1}}))[0]) == 1
    assert len(told(ask(ready, {"inputs": "good"}))[0]) == 2
    publish_rule(ready, '[{"label": "k", "score": parameters.top_k}]')
    assert told(ask(ready, {"inputs": "x", "top_k": 7})) == [[{"label": "k", "score": 7}]]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"inputs": "good", "parameters": {"tokens": 3}}, "parameter 'tokens': 3"),
        ({"inputs": "good", "parameters": {"top_k": 0}}, "an integer from 1 to"),
        ({"inputs": 5}, "5 given, a text expected"),
        ({"inputs": {"text": "a", "text_pair": "b"}}, "pipelines take no pairs"),
        ({"text": "good"}, "'inputs' is missing"),
    ],
)
def test_a_wrong_call_is_refused_in_the_words_of_the_task(
    ready: Bench, body: Any, said: str
) -> None:
    assert said in refusal(ask(ready, body), 400)


def test_v2_has_the_tensors_of_the_task(ready: Bench) -> None:
    texts = {"name": "text", "datatype": "BYTES", "shape": [2], "data": ["good", "bad"]}
    [output] = answer(ready.endpoint.reply(event("mood", json.dumps({"inputs": [texts]}))))[
        "outputs"
    ]
    assert (output["name"], output["shape"]) == ("answers", [2])
    labels = [json.loads(each)[0]["label"] for each in output["data"]]
    assert labels == ["POSITIVE", "NEGATIVE"]


def test_other_protocols_treat_it_as_a_model_of_the_task(ready: Bench) -> None:
    v1 = told(at(ready, "/v1/models/mood:predict", {"instances": ["good"]}))
    assert v1["predictions"][0][0]["label"] == "POSITIVE"
    invoked = told(at(ready, "/endpoints/mood/invocations", {"inputs": "bad"}))
    assert invoked[0][0]["label"] == "NEGATIVE"
    body = {"model": "mood", "prompt": "good"}
    said = (
        "is a pipeline that writes no text, so it has no answers of OpenAI's API: POST /models/mood"
    )
    assert said in str(at(ready, "/models/mood/v1/completions", body)["body"])


def test_it_is_described_with_its_task(ready: Bench) -> None:
    described = model_metadata(ready.edge.records["mood", "1"], ["1"])
    assert described["task"] == "text-classification"
    assert [each["name"] for each in described["inputs"]] == ["text"]
    assert [each["name"] for each in described["outputs"]] == ["answers"]
    assert [each["name"] for each in described["steps"]] == ["read"]


@pytest.mark.parametrize(
    ("task", "value", "said"),
    [
        ("text-classification", '$lookup({"a": "x"}, "a")', "output: [0]: 'x' given, an object"),
        (
            "text-classification",
            '$merge([{"label": text}])',
            "an object with label, score expected",
        ),
        (
            "text-classification",
            '[{"label": text, "score": "high"}]',
            "output: [0].score: 'high' given, a number expected",
        ),
        ("text-classification", '{"label": 3, "score": 1}', "[0].label: 3 given, a text expected"),
        (
            "summarization",
            '$lookup({"a": text}, "a")',
            "'good' given, an object with summary_text expected",
        ),
        ("summarization", '{"summary_text": 1}', "output: summary_text: 1 given, a text expected"),
        ("feature-extraction", "[1, [2, text]]", "output: [1][1]: 'good' given, a number expected"),
        (
            "fill-mask",
            '$lookup({"a": [[1]]}, "a")',
            "output: [0][0]: 1 given, an object with score, token_str",
        ),
    ],
)
def test_an_answer_that_is_not_the_task_s_is_a_failure_of_the_pipeline(
    ready: Bench, task: str, value: str, said: str
) -> None:
    publish_rule(ready, value, task)
    reply = ask(ready, {"inputs": "good"})
    found = refusal(reply, 500)
    assert found.startswith("model 'mood' version '1' failed: output: ")
    assert said in found


@pytest.mark.parametrize(
    ("task", "value", "expected"),
    [
        ("text-classification", '{"label": text, "score": 1}', [[{"label": "a", "score": 1}]]),
        ("summarization", '{"summary_text": text}', [{"summary_text": "a"}]),
        ("feature-extraction", "[1, 2.5]", [1, 2.5]),
        ("zero-shot-classification", '{"label": parameters.candidate_labels[0], "score": 1}', None),
    ],
)
def test_an_answer_has_the_form_in_which_the_task_sends_it(
    ready: Bench, task: str, value: str, expected: Any
) -> None:
    publish_rule(ready, value, task)
    labels = {"candidate_labels": ["x", "y"]} if expected is None else {}
    found = told(ask(ready, {"inputs": "a", "parameters": labels}))
    assert found == (expected or [{"label": "x", "score": 1}])


def test_nothing_found_is_an_answer_where_the_task_gives_lists(ready: Bench) -> None:
    publish_anew(ready, MOOD.replace("output: read", "output: read[score > 2]"))
    assert told(ask(ready, {"inputs": "good"})) == [[]]
    publish_anew(ready, MOOD.replace("output: read", "output: read[score > 0.5]"))
    assert len(told(ask(ready, {"inputs": "good"}))[0]) == 1


def test_objects_are_read_by_their_members(ready: Bench) -> None:
    value = '{"answer": args.context, "score": 1, "start": 0, "end": $length(args.question)}'
    publish_rule(ready, value, "question-answering")
    sent = {"inputs": {"question": "who?", "context": "Ann"}}
    assert told(ask(ready, sent)) == {"answer": "Ann", "score": 1, "start": 0, "end": 4}
    assert "question" in refusal(ask(ready, {"inputs": {"context": "Ann"}}), 400)
    publish_rule(ready, "args.width * 2", "tabular-regression")
    assert told(ask(ready, {"inputs": {"width": [1, 2]}})) == [2, 4]


def publish_camera(ready: Bench) -> None:
    sides = Signature(
        (TensorSpec("images", "FP32", (1, 3, 256, 256)),),
        (TensorSpec("boxes", "FP32", (1, 20, 6)),),
    )
    task = {"name": "object-detection", "labels": ["person", "animal"], "layout": "yolo-nms"}
    ready.edge.publish_task("camera", camera.export().SerializeToString(), sides, task)


def test_a_picture_comes_as_its_bytes(ready: Bench) -> None:
    publish_camera(ready)
    publish_pipeline(ready.edge, PEOPLE)
    for seed in range(3):
        picture, truth = camera.draw(seed)
        people = sum(one["label"] == "person" for one in truth)
        for body in (picture, {"inputs": base64.b64encode(picture).decode()}):
            kind = "image/jpeg" if isinstance(body, bytes) else "application/json"
            found = told(ask(ready, body, "people", content_type=kind))
            assert [one["label"] for one in found] == ["person"] * people


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("output: read", "output: read.label", "output: 'read.label': has no 'label', which text-"),
        ("output: read", "output: '[{\"label\": text}]'", "has no 'score', which text-classif"),
        ("output: read", "output: '[parameters.topk]'", "'parameters' has no 'topk'; did you"),
        ("model: sentiment", "model: one, input: {x: '[[1, 2]]'}", "gives tensors, and text-"),
        ("name: read", "name: text", "steps.0.name: 'text' is the name of an input already"),
        ("task:", "inputs: [{name: x, datatype: BYTES, shape: [1]}]\ntask:", "yaml: inputs: "),
        ("output: read", "output: {a: read.label}", "yaml: output: an expression expected, which"),
        ("task: text-classification", "description: x", "'inputs' is missing, or 'task' in its"),
    ],
)
def test_what_cannot_answer_the_task_is_no_version(
    ready: Bench, old: str, new: str, said: str
) -> None:
    assert said in refused(ready, MOOD.replace(old, new))


def test_a_pipeline_of_a_task_works_as_a_step_like_its_model(ready: Bench) -> None:
    outer = MOOD.replace("name: mood", "name: outer").replace("model: sentiment", "model: mood")
    publish_pipeline(ready.edge, outer)
    assert told(ask(ready, {"inputs": "good"}, "outer"))[0][0]["label"] == "POSITIVE"


def test_a_skipped_step_leaves_no_answer(ready: Bench) -> None:
    step = STEP.replace("}", ', when: text = "good"}')
    publish_anew(ready, MOOD.replace(STEP, step))
    assert told(ask(ready, {"inputs": "good"}))
    said = "output: step 'read' was skipped by its 'when'"
    assert said in refusal(ask(ready, {"inputs": "bad"}), 500)


def test_a_batch_job_answers_a_column_of_texts(ready: Bench) -> None:
    stage = BatchStage()
    text = MOOD.replace("name: mood", "name: adding")
    stage.registry.publish(publish_pipeline(ready.edge, text))
    stage.work = replace(stage.work, load=ready.endpoint.inference.loaded.get)
    job = stage.run(stage.upload("texts.csv", b"text\ngood\nbad\n", {}))
    assert (job.status, job.error, job.rows) == ("succeeded", None, 2)
    found = [json.loads(line) for line in stage.output(job, "output.jsonl").splitlines()]
    assert [one["answers"][0]["label"] for one in found] == ["POSITIVE", "NEGATIVE"]


SPOKEN = """
name: spoken
task: {name: text-to-speech, sampling_rate: 8000}
steps:
  - {name: wave, model: one, input: {x: '[[$length(text) / 100, parameters.speaker_id ? 1 : -1]]'}}
output: {waveform: wave.y}
"""


def heard(reply: dict[str, Any]) -> tuple[int, list[int]]:
    """Return the samples a second of a reply's wav, and its samples."""
    assert reply["statusCode"] == 200, reply
    assert reply["headers"]["content-type"] == "audio/wav"
    with wave.open(io.BytesIO(base64.b64decode(reply["body"]))) as sound:
        samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2")
        return sound.getframerate(), samples.tolist()


def test_a_waveform_is_answered_as_a_wav(ready: Bench) -> None:
    publish_pipeline(ready.edge, SPOKEN)
    assert heard(ask(ready, {"inputs": "four"}, "spoken")) == (8000, [32767, 0])
    loud = {"inputs": "four", "parameters": {"speaker_id": 1}}
    assert heard(ask(ready, loud, "spoken"))[1] == [32767, 32767]
    reply = ask(ready, {"inputs": "four", "format": "flac"}, "spoken")
    assert reply["headers"]["content-type"] == "audio/flac"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"inputs": ["a", "b"]}, "several inputs given, one expected: its answer is one file"),
        ({"inputs": " "}, "a text to speak expected"),
        ({"inputs": "a", "format": "mp3"}, "one of: wav, flac"),
    ],
)
def test_a_wrong_call_of_speech_is_refused(ready: Bench, body: Any, said: str) -> None:
    publish_pipeline(ready.edge, SPOKEN)
    assert said in refusal(ask(ready, body, "spoken"), 400)


def ask_v2(ready: Bench, *data: str, **members: Any) -> dict[str, Any]:
    texts = {"name": "text", "datatype": "BYTES", "shape": [len(data)], "data": data}
    return ready.endpoint.reply(event("spoken", json.dumps({"inputs": [texts], **members})))


def test_v2_gives_the_waveform_or_the_file_whichever_is_named(ready: Bench) -> None:
    publish_pipeline(ready.edge, SPOKEN)
    [output] = answer(ask_v2(ready, "four"))["outputs"]
    assert (output["name"], output["shape"]) == ("waveform", [1, 2])
    assert output["data"] == pytest.approx([1.04, 0])
    files = [{"name": "answers", "parameters": {"binary_data": True}}]
    for texts in (["four"], ["four", "fives"]):
        reply = ask_v2(ready, *texts, outputs=files)
        assert reply["statusCode"] == 200, reply
        assert base64.b64decode(reply["body"]).count(b"RIFF") == len(texts)
    assert "ask for the output 'answers'" in refusal(ask_v2(ready, "a", "b"), 400)


def test_v1_gives_the_waveform_of_a_named_text_and_the_file_of_a_bare_one(ready: Bench) -> None:
    publish_pipeline(ready.edge, SPOKEN)
    path = "/v1/models/spoken:predict"
    named = told(at(ready, path, {"inputs": {"text": ["four"]}}))["predictions"]
    assert named == [pytest.approx([1.04, 0])]
    [bare] = told(at(ready, path, {"instances": ["four"]}))["predictions"]
    assert bare["content_type"] == "audio/wav"


def test_it_is_described_with_its_waveform(ready: Bench) -> None:
    described = model_metadata(publish_pipeline(ready.edge, SPOKEN), ["1"])
    assert described["task"] == "text-to-speech"
    assert [each["name"] for each in described["outputs"]] == ["waveform"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (", sampling_rate: 8000", "", "task: text-to-speech needs 'sampling_rate'"),
        ("text-to-speech", "summarization", "task: 'sampling_rate' is for text-to-speech"),
        ("{waveform: wave.y}", "wave", 'output: "wave" given: one tensor expected, as \'{wav'),
        ("{waveform: wave.y}", "{a: wave.y, b: wave.y}", "one tensor expected, as '{waveform"),
        ("waveform:", "answers:", "output.answers: the name is that of the file"),
        ("{waveform: wave.y}", "{waveform: wave}", "is no tensor: the output of a step"),
    ],
)
def test_what_makes_no_sound_is_no_version(ready: Bench, old: str, new: str, said: str) -> None:
    assert said in refused(ready, SPOKEN.replace(old, new))
