"""The ``optimise`` function, from a verified upload to staged forms."""

import hashlib
import importlib.util
import json
import subprocess
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx.external_data_helper import convert_model_to_external_data

from tests.fakes.inference import plus
from tests.fakes.optimisation import Bench, convolving, event_of, multiplying

ROOT = Path(__file__).parents[2]
MAKE_FORMS = """
import json, sys
from pathlib import Path
import handler
from serval.rollouts.golden.candidate import Candidate
from serval.rollouts.forms.forms import make_forms
candidate = Candidate.from_event(json.load(sys.stdin))
made = make_forms(candidate, Path(sys.argv[1]), "this-cpu", 3008)
print(*[form.name for form in made.forms])
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def passed(outcome: dict[str, Any]) -> list[dict[str, Any]]:
    assert (outcome["outcome"], outcome["reasons"]) == ("passed", [])
    forms: list[dict[str, Any]] = json.loads(json.dumps(outcome))["forms"]
    return forms


def none_made(bench: Bench, outcome: dict[str, Any]) -> str:
    assert passed(outcome) == []
    assert (bench.bucket.downloads, bench.bucket.staged) == ([], {})
    [note] = outcome["notes"]
    return str(note)


def test_every_file_of_a_form_is_staged_as_described(bench: Bench) -> None:
    forms = passed(bench.outcome({"model.onnx": convolving()}))
    described = {
        file["path"].removeprefix("optimised/"): (file["sha256"], file["size_bytes"])
        for form in forms
        for file in form["files"]
    }
    staged = {
        path: (hashlib.sha256(body).hexdigest(), len(body))
        for path, body in bench.bucket.staged.items()
    }
    assert staged == described
    assert {"portable/model.onnx", "portable/model.onnx.data"} <= staged.keys()


def test_nothing_stays_on_the_disk(bench: Bench) -> None:
    bench.outcome({"model.onnx": convolving()})
    assert list(bench.folder.iterdir()) == []


def test_an_artifact_with_external_data_is_optimised(bench: Bench, tmp_path: Path) -> None:
    model = onnx.load_from_string(multiplying())
    convert_model_to_external_data(model, location="model.onnx.weights", size_threshold=0)
    source = tmp_path / "source"
    source.mkdir()
    onnx.save(model, source / "model.onnx")
    files = {path.name: path.read_bytes() for path in source.iterdir()}
    assert files.keys() == {"model.onnx", "model.onnx.weights"}
    assert [form["name"] for form in passed(bench.outcome(files))] == ["portable"]


def test_only_what_is_needed_is_read(bench: Bench) -> None:
    bench.outcome({"model.onnx": multiplying(), "README.md": b"about", "model.yaml": b"name: m"})
    assert [key.rsplit("/", 1)[1] for key in bench.bucket.downloads] == ["model.onnx"]


def test_a_tiny_model_is_left_as_it_is(bench: Bench) -> None:
    note = none_made(bench, bench.outcome({"model.onnx": plus(1)}))
    assert "below 100000 it opens as fast as published" in note


def test_what_an_accelerator_runs_is_left_as_it_is(bench: Bench) -> None:
    fleet = {"name": "gpu", "accelerator": "nvidia"}
    note = none_made(bench, bench.outcome({"model.onnx": multiplying()}, fleet))
    assert note == (
        "no forms: the model runs on fleet 'gpu' (nvidia), whose accelerator this machine cannot "
        "stand in for"
    )


def test_a_fleet_without_accelerators_gets_the_form_that_any_cpu_opens(bench: Bench) -> None:
    fleet = {"name": "cpu", "accelerator": "none"}
    outcome = bench.outcome({"model.onnx": convolving()}, fleet)
    assert [form["name"] for form in passed(outcome)] == ["portable"]
    assert outcome["notes"] == ["no form is laid out: the CPUs of fleet 'cpu' are not known here"]
    assert bench.bucket.staged.keys() == {"portable/model.onnx", "portable/model.onnx.data"}


def test_what_a_server_runs_is_left_as_it_is(bench: Bench) -> None:
    fleet = {"name": "cpu", "accelerator": "none"}
    runtime = {"kind": "http"}
    note = none_made(bench, bench.outcome({"model.onnx": multiplying()}, fleet, runtime=runtime))
    assert note == "no forms: an inference server runs model.onnx"


def test_an_artifact_that_is_no_graph_is_left_as_it_is(bench: Bench) -> None:
    event = event_of({"model.onnx": multiplying()})
    verified = event["verified"]
    for file in (*verified["files"], *event["upload"]["files"]):
        file["path"] = "model.tar.gz"
    verified["artifact"], verified["artifact_files"] = "model.tar.gz", ["model.tar.gz"]
    note = none_made(bench, bench.step.optimise(event))
    assert note == "no forms: model.tar.gz is not an ONNX graph"


def test_a_bundle_with_files_where_forms_would_lie_gets_none(bench: Bench) -> None:
    files = {"model.onnx": multiplying(), "optimised/portable/model.onnx": b"mine"}
    note = none_made(bench, bench.outcome(files))
    assert note == (
        "no forms: the bundle's own optimised/portable/model.onnx has the place of the forms"
    )


def test_a_model_that_the_functions_memory_cannot_hold_is_left_as_it_is(tmp_path: Path) -> None:
    bench = Bench(tmp_path, memory_mib=200)
    note = none_made(bench, bench.outcome({"model.onnx": multiplying()}))
    assert note.endswith("MiB of memory to optimise, the function `optimise` has 200")


def test_a_model_that_the_disk_cannot_hold_is_left_as_it_is(bench: Bench) -> None:
    event = event_of({"model.onnx": multiplying()})
    event["verified"]["files"][0]["size_bytes"] = 10**15
    bench.step = type(bench.step)(bench.bucket, "this-cpu", 10**13, bench.folder)
    note = none_made(bench, bench.step.optimise(event))
    assert "3000000000000000 bytes of ephemeral storage" in note


def test_an_upload_that_is_not_what_was_verified_is_refused(bench: Bench) -> None:
    changed = bytearray(multiplying())
    changed[-1] ^= 1
    bench.bucket.objects["incoming/m/upload-1/model.onnx"] = bytes(changed)
    outcome = bench.outcome({"model.onnx": multiplying()})
    assert outcome["outcome"] == "refused"
    assert outcome["reasons"][0].startswith("model.onnx has sha256 ")
    assert bench.bucket.staged == {}


def test_a_repeated_step_stages_the_same(bench: Bench) -> None:
    first = bench.outcome({"model.onnx": convolving()})
    staged = bench.bucket.staged
    assert bench.outcome({"model.onnx": convolving()}) == first
    assert bench.bucket.staged == staged


def test_the_handler_answers_a_recorded_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example is tiny, so that it needs nothing of AWS."""
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("ARTIFACT_BUCKET", "artifacts")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "3008")
    event = json.loads((ROOT / "events/optimise.json").read_text())
    spec = importlib.util.spec_from_file_location("h", ROOT / "functions/optimise/handler.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    outcome = module.handler(event, Context())
    assert outcome["outcome"] == "passed"
    assert outcome["notes"][0].startswith("no forms: the artifact has ")


def test_forms_are_made_in_the_layers_of_the_function(tmp_path: Path) -> None:
    """What the layers leave out, of numpy above all, is not needed here."""
    names = ("core", "sdk", "control", "inference")
    layers = [ROOT / "build/layers/local" / name / "python" for name in names]
    assert all(layer.exists() for layer in layers), "run `make layers-aws`"
    python = ROOT / "build/environments/functions/bin/python"
    assert python.exists(), "run `make setup`"
    (tmp_path / "model.onnx").write_bytes(convolving())
    event = event_of({"model.onnx": convolving()}) | {"forms": []}
    run = subprocess.run(
        [python, "-c", MAKE_FORMS, tmp_path],
        input=json.dumps(event),
        env={
            "PYTHONPATH": ":".join(map(str, [ROOT / "functions/optimise", *layers])),
            "AWS_REGION": "eu-central-1",
            "ARTIFACT_BUCKET": "artifacts",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "3008",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert "portable" in run.stdout.split()


class Context:
    """What Lambda tells of an invocation."""

    function_name = "optimise"
    memory_limit_in_mb = 3008
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:optimise"
    aws_request_id = "request-1"
