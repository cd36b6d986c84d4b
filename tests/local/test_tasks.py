"""Models with tasks on a stage: pushed, promoted, and called by the hub's own client."""

import base64
import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from onnx import TensorProto, helper

from tests.fakes.inference import graph
from tests.local.conftest import LocalStage
from tests.local.real_clients import hold_conversation

ROOT = Path(__file__).parents[2]
RECORDED = ROOT / "tests" / "tasks" / "recorded"
CASES = (
    "audio-waveform",
    "feature-extraction-mean",
    "fill-mask-wordpiece",
    "gpt2",
    "image-clip",
    "image-detr",
    "image-segformer",
    "image-to-text",
    "image-vit",
    "question-answering-wordpiece",
    "sentence-similarity-mean",
    "speak",
    "speech-letters",
    "t5-summarization",
    "t5-translation",
    "text-classification",
    "token-classification-wordpiece",
    "zero-shot-classification-wordpiece",
)
EXAMPLES = ("camera", "reviews", "titanic", "voice")
WITH_GOLDEN = ("audio-waveform", "image-vit", "question-answering-wordpiece", "text-classification")
TOLD = {"image-detr": {"events": {"over": 0.85, "labels": ["gnu"]}}}
CHATS = "{% for m in messages %}{{ m.role[0] }}: {{ m.content }}\n{% endfor %}a:"
LOVED = "We loved the film!"


def sums() -> bytes:
    """Make a graph that adds two columns."""
    column = ["rows", 1]
    return graph(
        [("a", TensorProto.FLOAT, column), ("b", TensorProto.FLOAT, column)],
        [("sum", TensorProto.FLOAT, column)],
        [helper.make_node("Add", ["a", "b"], ["sum"])],
    )


@pytest.fixture(scope="module")
def task_models(stage: LocalStage, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Push a model for each method of the client, several at a time."""
    folder = tmp_path_factory.mktemp("tasks")
    for case in CASES:
        bundle = folder / case
        shutil.copytree(RECORDED / case / "bundle", bundle)
        task = json.loads((bundle / "task.json").read_text())
        (bundle / "task.json").unlink()
        task |= TOLD.get(case, {})
        encoder = (bundle / "encoder_model.onnx").exists()
        declared = {"name": case, "task": task, "description": "Of seeded random weights."}
        declared |= {"artifact": "encoder_model.onnx"} if encoder else {}
        if case == "gpt2":
            (bundle / "chat_template.jinja").write_text(CHATS)
        if case in WITH_GOLDEN:
            (bundle / "golden.jsonl").write_text(golden_of(case) + "\n")
            declared["golden"] = "golden.jsonl"
        (bundle / "model.yaml").write_text(json.dumps(declared))
    (folder / "sums").mkdir()
    (folder / "sums/model.onnx").write_bytes(sums())
    (folder / "sums/model.yaml").write_text("name: sums\ntask: tabular-regression\n")
    with ThreadPoolExecutor(3) as pool:
        pushed = [folder / case for case in (*CASES, "sums")]
        pushed += [ROOT / "models" / example for example in EXAMPLES]
        list(pool.map(lambda bundle: stage.serval("push", str(bundle), "--wait"), pushed))


def answer_of(case: str) -> list[dict[str, object]]:
    answers: list[dict[str, object]] = first_call(case)["answers"][0]
    return answers


def first_call(case: str) -> dict[str, Any]:
    call: dict[str, Any] = json.loads((RECORDED / case / "answers.json").read_text())[0]
    return call


def golden_of(case: str) -> str:
    """Return a golden request in the words of the case's task."""
    call = first_call(case)
    value = call["inputs"][0]
    if set(value) == {"file"}:
        value = base64.b64encode((RECORDED / case / value["file"]).read_bytes()).decode()
    request = {"inputs": value, "parameters": call["parameters"]}
    answer = call["answers"][:1] if case == "text-classification" else call["answers"][0]
    return json.dumps({"request": request, "answer": answer})


@pytest.mark.parametrize("client", ["huggingface_hub", "openai"])
def test_a_client_gets_the_originals_answers(
    client: str, stage: LocalStage, task_models: None
) -> None:
    folders = {"SERVAL_RECORDED": str(RECORDED), "SERVAL_EXAMPLES": str(ROOT / "models")}
    hold_conversation(client, stage, **folders)


def test_rows_of_a_table_have_numbers_as_answers(stage: LocalStage, task_models: None) -> None:
    """The hub's client refuses ``tabular_regression`` of a model that is a URL."""
    reply = httpx.post(
        f"{stage.api_url}/models/sums",
        json={"table": {"a": ["1", "2.5"], "b": ["3", "4"]}},
        headers={"x-api-key": stage.api_key},
        timeout=60,
    )
    assert reply.json() == [4.0, 6.5]


def test_v2_takes_the_text_of_a_task(stage: LocalStage, task_models: None) -> None:
    text = {"name": "text", "datatype": "BYTES", "shape": [1], "data": [LOVED]}
    reply = httpx.post(
        f"{stage.api_url}/v2/models/text-classification/infer",
        json={"inputs": [text]},
        headers={"x-api-key": stage.api_key},
        timeout=60,
    )
    [output] = reply.raise_for_status().json()["outputs"]
    labels = [one["label"] for one in json.loads(output["data"][0])]
    assert labels == [one["label"] for one in answer_of("text-classification")]


def test_a_batch_job_answers_a_column_of_text(
    stage: LocalStage, task_models: None, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("id,text\n" + "".join(f'{n},"{LOVED}"\n' for n in range(500)))
    ran = stage.serval("batch", "run", "text-classification", str(rows), "--watch", "--json")
    job = json.loads(ran.splitlines()[-1])
    stage.serval("batch", "download", job["id"], "--to", str(tmp_path))
    lines = (tmp_path / "output.jsonl").read_text().splitlines()
    assert len(lines) == 500
    assert json.loads(lines[0])["answers"][0]["label"] == "positive"


def test_a_photo_that_arrives_becomes_a_message_for_what_is_on_it(
    stage: LocalStage, task_models: None
) -> None:
    events, sqs = stage.client("events"), stage.client("sqs")
    queue = sqs.create_queue(QueueName="on-call")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    pattern = {"source": ["serval"], "detail-type": ["serval.detection"]}
    events.put_rule(Name="seen", EventPattern=json.dumps(pattern))
    send = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn["QueueArn"],
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [send]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    events.put_targets(Rule="seen", Targets=[{"Id": "queue", "Arn": arn["QueueArn"]}])
    photo, key = RECORDED / "images" / "turned.jpg", "batch/image-detr/in/trap-7/0001.jpg"
    stage.client("s3").put_object(Bucket=stage.data_bucket, Key=key, Body=photo.read_bytes())
    deadline, messages = time.monotonic() + 120, []
    while not messages and time.monotonic() < deadline:
        messages = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10).get("Messages", [])
    detail = json.loads(messages[0]["Body"])["detail"]
    assert detail["input"] == f"s3://{stage.data_bucket}/{key}"
    assert (detail["model"], detail["label"]) == ("image-detr", "gnu")
    assert detail["score"] > 0.85
