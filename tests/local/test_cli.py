"""The ``serval`` command, end to end, on the local stage."""

import json
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.local.conftest import ROOT, LocalStage
from tests.local.forked_cli import run_serval

pytestmark = pytest.mark.usefixtures("published_models")
FLOWER = "[5.1, 3.5, 1.4, 0.2]"


def environment_of(stage: LocalStage, **environment: str) -> dict[str, str]:
    """Build the environment of a user who has an AWS configuration that is no good here."""
    own = {
        "SERVAL_STATE": str(stage.state),
        "SERVAL_STAGE": "local",
        "AWS_PROFILE": "absent",
        "AWS_REGION": "eu-west-1",
    }
    everything = os.environ | own | environment
    return {variable: value for variable, value in everything.items() if value}


def start(stage: LocalStage, *words: str) -> subprocess.Popen[str]:
    """Start the command as a user does."""
    return subprocess.Popen(
        [sys.executable, "-m", "serval_cli.main", *words],
        cwd=ROOT,
        env=environment_of(stage),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Whoever runs the tests in the background has it ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def run(stage: LocalStage, *words: str, typed: str = "", **environment: str) -> Any:
    """Run the command to its end."""
    return run_serval(words, environment_of(stage, **environment), typed)


def succeeded(stage: LocalStage, *words: str, typed: str = "", **environment: str) -> Any:
    """Run the command with --json, which must succeed; gives its value."""
    done = run(stage, *words, "--json", typed=typed, **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def failed(stage: LocalStage, *words: str, typed: str = "", **environment: str) -> str:
    """Run a command that must fail as expected; gives its message.

    One that writes says first where.
    """
    done = run(stage, *words, typed=typed, **environment)
    assert (done.returncode, done.stdout) == (1, "")
    where, error, message = done.stderr.partition("error: ")
    assert error
    assert where == "" or where.startswith("stage local: ")
    assert "Traceback" not in done.stderr
    return str(message)


@pytest.fixture
def bundle(stage: LocalStage, tmp_path: Path) -> Path:
    """Make a bundle of a new model from iris's graph, by ``serval init``."""
    name = f"m-{uuid.uuid4().hex[:8]}"
    succeeded(
        stage, "init", name, "--from", "models/iris/model.onnx", "--dir", str(tmp_path / name)
    )
    return tmp_path / name


def test_a_bundle_becomes_a_version_that_answers(stage: LocalStage, bundle: Path) -> None:
    model = bundle.name
    (bundle / "build.py").write_text("raise SystemExit")
    pushed = succeeded(stage, "push", str(bundle), "--wait")
    assert (pushed["status"], pushed["version"]) == ("promoted", "1")
    assert pushed["files"] == ["README.md", "golden.jsonl", "model.onnx", "model.yaml"]

    listed = succeeded(stage, "models")["models"]
    assert model in [entry["name"] for entry in listed]
    described = succeeded(stage, "describe", model)
    assert described["route"] == {"stable": "1", "candidate": None, "percent": 0}
    assert described["versions"] == ["1"]
    assert described["signature"]["inputs"][0]["shape"] == [-1, 4]
    assert described["rollouts"][0]["rollout"] == pushed["upload"]

    answer = succeeded(stage, "infer", model, "-", typed=FLOWER)
    assert (answer["model_name"], answer["model_version"]) == (model, "1")


def test_the_same_bytes_are_the_same_version(stage: LocalStage) -> None:
    before = succeeded(stage, "describe", "iris")["versions"]
    pushed = succeeded(stage, "push", "models/iris", "--wait")
    assert pushed["version"] == before[-1]
    assert succeeded(stage, "describe", "iris")["versions"] == before


def test_a_push_that_does_not_wait_says_what_it_uploaded(stage: LocalStage, bundle: Path) -> None:
    pushed = succeeded(stage, "push", str(bundle))
    assert (pushed["status"], pushed["version"]) == ("uploaded", None)


def test_a_refused_bundle_has_its_reasons_in_push_and_in_describe(
    stage: LocalStage, bundle: Path
) -> None:
    yaml = f"name: {bundle.name}\ncompute: {{memory_mib: 5000}}\n"
    (bundle / "model.yaml").write_text(yaml)
    done = run(stage, "push", str(bundle), "--wait", "--json")
    pushed = json.loads(done.stdout)
    assert (done.returncode, pushed["status"]) == (1, "refused")
    assert "compute.memory_mib: 5000" in pushed["reason"]
    described = succeeded(stage, "describe", bundle.name)
    assert described["route"] is None
    assert described["rollouts"][0]["reason"] == pushed["reason"]
    assert "memory_mib: 5000" in run(stage, "describe", bundle.name).stdout


def test_a_bundle_that_the_laptop_refuses_is_not_uploaded(stage: LocalStage, bundle: Path) -> None:
    (bundle / "model.onnx").write_bytes(b"GIF89a")
    assert "model.onnx is not an ONNX model" in failed(stage, "push", str(bundle), "--wait")
    assert "is not registered: `serval models`" in failed(stage, "describe", bundle.name)


def test_a_rollout_that_takes_too_long_ends_the_wait(stage: LocalStage, bundle: Path) -> None:
    succeeded(stage, "push", str(bundle), "--wait")
    # A canary bakes for minutes, so this one cannot have ended.
    with (bundle / "model.yaml").open("a") as declared:
        declared.write("description: The second version.\n")
    done = run(stage, "push", str(bundle), "--wait", "--timeout", "0", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["status"] in {"waiting", "running"}


def test_external_data_are_published_with_their_graph(stage: LocalStage, tmp_path: Path) -> None:
    name = f"m-{uuid.uuid4().hex[:8]}"
    source, made = tmp_path / "net.onnx", tmp_path / name
    onnx.save(
        tripled(),
        source,
        save_as_external_data=True,
        location="net.data",
        size_threshold=0,
    )
    succeeded(stage, "init", name, "--from", str(source), "--dir", str(made))
    assert "net.data" in succeeded(stage, "push", str(made), "--wait")["files"]
    answer = succeeded(stage, "infer", name, "-", typed="[1, 2]")
    assert answer["outputs"][0]["data"] == [3, 6]


def tripled() -> onnx.ModelProto:
    """Give a graph that multiplies by three."""
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 2])],
        [numpy_helper.from_array(np.full((1, 2), 3, np.float32), "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.mark.parametrize(
    "typed",
    [
        FLOWER,
        f"[{FLOWER}]",
        f'{{"measurements": [{FLOWER}]}}',
        '{"inputs": [{"name": "measurements", "datatype": "FP32", "shape": [1, 4], "data": '
        f"{FLOWER}}}]}}",
    ],
)
def test_a_request_may_be_whole_or_only_its_data(stage: LocalStage, typed: str) -> None:
    outputs = succeeded(stage, "infer", "iris", "-", typed=typed)["outputs"]
    assert outputs[0]["data"] == [0]


def test_an_answer_is_shown_with_its_timings(stage: LocalStage) -> None:
    done = run(stage, "infer", "iris", "-", "--version", "1", typed=FLOWER)
    assert "iris version 1" in done.stdout
    assert "probabilities" in done.stdout
    assert "infer;dur=" in done.stderr


@pytest.mark.parametrize(
    ("words", "typed", "said"),
    [
        (["infer", "iris", "-"], "[1]", "the data has shape [1], [-1, 4] expected"),
        (["infer", "iris", "-"], '[[1, 2, 3, "x"]]', "400 Bad Request: tensor 'measurements'"),
        (["infer", "iris", "-"], "{", "standard input is not JSON"),
        (["infer", "iris", "/absent"], "", "INPUT '/absent' is not a file"),
        (["infer", "iris", "-", "--version", "99"], FLOWER, "404 Not Found: model 'iris' has no"),
        (["infer", "iris", "-", "--version", "x"], FLOWER, "version 'x': a number"),
        (["infer", "absent", "-"], FLOWER, "404 Not Found: model 'absent' is not registered"),
        (["infer", "Ab/sent", "-"], FLOWER, "is not a model name"),
        (["infer", "iris", "-", "--api-key", "srv_no"], FLOWER, "401 Unauthorized"),
        (["describe", "absent"], "", "model 'absent' is not registered: `serval models`"),
        (["invoke", "absent", "-"], "{}", "has no function 'absent': it has accept, "),
        (["keys", "revoke", "absent"], "", "no API key has the id 'absent'"),
        (["keys", "create", "x", "--model", "No Name"], "", "is no model name"),
        (["keys", "create", " "], "", "a name that says who will use it expected"),
        (["models", "--stage", "No Stage"], "", "stage 'No Stage'"),
    ],
)
def test_what_cannot_be_done_says_why(
    stage: LocalStage, words: list[str], typed: str, said: str
) -> None:
    assert said in failed(stage, *words, typed=typed)


def test_a_key_is_good_for_its_models_until_it_is_revoked(stage: LocalStage) -> None:
    created = succeeded(stage, "keys", "create", "test", "--model", "iris", "--model", "absent")
    key = {"SERVAL_API_KEY": created["key"]}
    assert succeeded(stage, "infer", "iris", "-", typed=FLOWER, **key)["model_name"] == "iris"
    assert "403 Forbidden" in failed(stage, "infer", "digits", "-", typed=f"[{FLOWER}]", **key)
    listed = succeeded(stage, "keys", "list")["keys"]
    (mine,) = [entry for entry in listed if entry["id"] == created["id"]]
    assert (mine["models"], mine["revoked"]) == (["iris", "absent"], None)
    assert created["key"] not in json.dumps(listed)

    revoked = succeeded(stage, "keys", "revoke", created["id"])["revoked"]
    assert revoked
    assert succeeded(stage, "keys", "revoke", created["id"])["revoked"] == revoked


def test_a_key_for_a_model_that_is_not_there_yet_says_so(stage: LocalStage) -> None:
    done = run(stage, "keys", "create", "test", "--model", "later")
    assert done.returncode == 0
    assert "model 'later' is not registered yet" in done.stderr
    assert done.stdout.startswith("srv_")


def test_a_function_that_fails_ends_with_1_and_its_trace(stage: LocalStage) -> None:
    done = run(stage, "invoke", "describe", "-", "--json", typed='"no event"')
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"] == "Unhandled"


def test_a_stage_that_is_not_deployed_is_said_to_be_so(stage: LocalStage) -> None:
    deployed = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": stage.aws_endpoint_url,
        "AWS_REGION": stage.region,
        "AWS_PROFILE": "",
    }
    said = failed(stage, "models", "--stage", "prod", **deployed)
    assert "stage 'prod' is not deployed in us-east-1: no stack serval-prod-storage" in said


def test_ctrl_c_ends_quietly(stage: LocalStage) -> None:
    process = start(stage, "infer", "iris", "-")
    assert process.stderr is not None
    wait_until_it_reads(process)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=300) == ("", "")
    assert process.returncode == 130


def wait_until_it_reads(process: subprocess.Popen[str]) -> None:
    """Wait until the command has read what was typed so far."""
    assert process.stdin is not None
    process.stdin.write(" " * 1_000_000)  # more than a pipe holds: it returns when it is read
    process.stdin.flush()


@pytest.mark.parametrize("event", ["infer", "describe_model", "describe_health"])
def test_recorded_events_replay_with_the_stages_own_key(
    stage: LocalStage, published_models: None, event: str
) -> None:
    function = event.split("_")[0]
    answered = json.loads(stage.serval("invoke", function, f"events/{event}.json", "--json"))
    assert answered["response"]["statusCode"] == 200, answered
