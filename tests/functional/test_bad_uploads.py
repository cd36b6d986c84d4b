"""Every way that an upload can be bad ends in a refusal that a data scientist can act on.

The stable version goes on serving, and nothing half-registered stays behind.
"""

import pickle
import re
import tarfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from onnx import TensorProto, helper

from serval.bundles.verification.code import REMEDY
from serval.models.deployed_fleets import DeployedFleet, Fleets
from serval.models.route import Route
from serval.object_created import ObjectCreated
from tests.fakes.bad_uploads import (
    GOOD,
    Bad,
    beside,
    configured,
    edited,
    ends,
    entry,
    golden,
    golden_line,
    large,
    listing,
    maps,
    of_one_node,
    pickled_by_joblib,
    renamed_output,
    reshaping,
)
from tests.fakes.registration import edited_manifest, manifest_of, scaling_bundle
from tests.fakes.served import SERVED, heavy, on_fleet, served, special, tar
from tests.fakes.stage import BUCKET, Stage

GRAPH = GOOD["model.onnx"]
FLEETS = Fleets(
    {
        "cpu": DeployedFleet(name="cpu", models=("plain",)),
        "tesla": DeployedFleet(name="tesla", accelerator="nvidia", models=("textgen",)),
        "inf": DeployedFleet(name="inf", accelerator="neuron", models=("compiled", "served")),
        "managed": DeployedFleet(name="managed", kind="sagemaker", models=("vision",)),
    }
)
"""What the stage has; there is no fleet 'gpu'."""

served_on = partial(served, fleet="inf")

MANIFESTS = {
    "manifest is not JSON": Bad(
        re.compile(r"manifest\.json is not JSON: .*line 1 column 2.*"), manifest=b"{"
    ),
    "manifest is something else": Bad(
        'manifest.json: {"model": …, "files": […]} expected', manifest=b"[]"
    ),
    "manifest of another model": Bad(
        (
            "manifest.json: model 'iris' given, 'scaling' expected: the upload "
            "lies in incoming/scaling/"
        ),
        manifest=manifest_of("iris", GOOD).encode(),
    ),
    "manifest lists nothing": Bad(
        "model.yaml: artifact: 'model.onnx' is not in the bundle, which has no files",
        files={},
        manifest=listing(),
    ),
    "manifest lists a file twice": Bad(
        "manifest.json: a is listed twice", manifest=listing(entry("a"), entry("a"))
    ),
    "manifest lists itself": Bad(
        "manifest.json lists itself; it is not part of the bundle",
        manifest=listing(entry("manifest.json")),
    ),
    "manifest leads out of the bundle": Bad(
        (
            "manifest.json: files[0]: path '../../models/x': expected a path "
            "inside the bundle: relative and without '..'"
        ),
        manifest=listing(entry("../../models/x")),
    ),
    "manifest has an absolute path": Bad(
        (
            "manifest.json: files[0]: path '/etc/passwd': expected a path "
            "inside the bundle: relative and without '..'"
        ),
        manifest=listing(entry("/etc/passwd")),
    ),
    "manifest has a path with a detour": Bad(
        "manifest.json: files[0]: path 'a/./b': expected a plain path, as 'a/b'",
        manifest=listing(entry("a/./b")),
    ),
    "manifest has a file for a folder": Bad(
        "manifest.json: a is listed as a file, and as the folder of a/b",
        manifest=listing(entry("a"), entry("a/b")),
    ),
    "manifest without sizes": Bad(
        "manifest.json: files[0]: 'path', 'sha256' and 'size_bytes' expected",
        manifest=listing({"path": "a", "sha256": "0" * 64}),
    ),
    "manifest with an MD5": Bad(
        (
            "manifest.json: files[0]: model.onnx: sha256 "
            "'00000000000000000000000000000000': expected 64 hex digits, lower "
            "case"
        ),
        manifest=edited_manifest("scaling", GOOD, sha256="0" * 32),
    ),
    "manifest with a negative size": Bad(
        "manifest.json: files[0]: a: size_bytes -1: expected a whole number up to 9663676416",
        manifest=listing(entry("a", -1)),
    ),
    "manifest with a terabyte": Bad(
        (
            "manifest.json: files[0]: a: size_bytes 1099511627776: expected a "
            "whole number up to 9663676416"
        ),
        manifest=listing(entry("a", 2**40)),
    ),
    "manifest too long": Bad(
        "manifest.json: 1048577 bytes, at most 1048576 allowed", manifest=b" " * (2**20 + 1)
    ),
    "too many files": Bad(
        re.compile(
            r"manifest\.json: 1001 files, at most \d+ allowed: save the weights in one file.*"
        ),
        manifest=listing(*[entry(f"{n}") for n in range(1001)]),
    ),
}
FILES = {
    "file named but absent": Bad(
        (
            "model.yaml is named by manifest.json, but was not uploaded: "
            "upload it, and manifest.json last"
        ),
        missing="model.yaml",
    ),
    "file half-finished": Bad(
        (
            "model.onnx has 40 bytes, manifest.json says 104: upload it again, "
            "and manifest.json last"
        ),
        instead={"model.onnx": GRAPH[:40]},
    ),
    "wrong size in the manifest": Bad(
        "model.onnx has 104 bytes, manifest.json says 9: upload it again, and manifest.json last",
        manifest=edited_manifest("scaling", GOOD, size_bytes=9),
    ),
    "wrong sha256": Bad(
        (
            "model.onnx has sha256 "
            "9b13b1a515d62767c1cb053e58acbbb0f3e7ea3c5d1e62f99bdcd124e192be65, "
            "manifest.json says "
            "c7ed53a460d3758adf65060ef6f6ce218c3c4a5404a11bfdb49201e6a099cb0a: "
            "upload it again, and manifest.json last"
        ),
        instead={"model.onnx": GRAPH[:-1] + b"!"},
    ),
    "bare artifact of a model without a version": Bad(
        (
            "model 'new' has no stable version to inherit model.yaml from: "
            "publish its first version with `serval push BUNDLE`"
        ),
        bare=GRAPH,
        model="new",
    ),
    "bare artifact that is no model": Bad(
        "model.onnx is not an ONNX model but a text: export the model to ONNX, which is binary",
        bare=b"no model",
    ),
    "too large to be verified": Bad(
        (
            "the graph has 1048705 bytes, whose checks need 203 MiB of "
            "memory; `verify` has 202: run `serval deploy -c "
            "verification_memory_mib=203`"
        ),
        files=large(),
        verify_mib=202,
    ),
}
CONFIGURATIONS = {
    "unknown key": Bad(
        "model.yaml: unknown key 'artefact'; did you mean 'artifact'?",
        files=configured("artefact: model.onnx\n"),
    ),
    "unknown key in a section": Bad(
        "model.yaml: unknown key 'steps' in 'rollout'; did you mean 'steps_percent'?",
        files=configured("rollout: {steps: [10]}\n"),
    ),
    "YAML syntax": Bad(
        re.compile(r"model\.yaml is not YAML: .*expected ',' or '\]'.* at line 3, " r"column 1.*"),
        files=configured("rollout: {steps_percent: [10\n"),
    ),
    "YAML tabs": Bad(
        re.compile(r"model\.yaml is not YAML: .*character '\\t' .* at line 3, column " r"1.*"),
        files=configured("rollout:\n\tbake_seconds: 3\n"),
    ),
    "YAML tag that runs code": Bad(
        re.compile(r"model\.yaml is not YAML: .*python/object:os\.system' at line 2.*"),
        files=configured("description: !!python/object:os.system {}\n"),
    ),
    "YAML of no keys": Bad(
        "model.yaml: keys and values expected, as 'name: iris'",
        files=GOOD | {"model.yaml": b"scaling"},
    ),
    "key twice": Bad(
        "model.yaml is not YAML: key 'name' is repeated at line 2, column 1: name: scaling ^",
        files=configured("name: scaling\n"),
    ),
    "name of another model": Bad(
        (
            "model.yaml: name: 'iris' given, 'scaling' expected: the upload "
            "lies in incoming/scaling/"
        ),
        files=GOOD | {"model.yaml": b"name: iris\n"},
    ),
    "name missing": Bad(
        "model.yaml: name is missing", files=GOOD | {"model.yaml": b"description: none\n"}
    ),
    "value of another type": Bad(
        re.compile(r"model\.yaml: rollout\.bake_seconds: .5 minutes. given: .* " r"integer"),
        files=configured("rollout: {bake_seconds: 5 minutes}\n"),
    ),
    "value out of bounds": Bad(
        re.compile(r"model\.yaml: compute\.memory_mib: 64 given: .* 128"),
        files=configured("compute: {memory_mib: 64}\n"),
    ),
    "steps that go back": Bad(
        "model.yaml: rollout: 'steps_percent: [50, 10]': each step must be above the last",
        files=configured("rollout: {steps_percent: [50, 10]}\n"),
    ),
    "artifact that is not there": Bad(
        "model.yaml: artifact: 'net.onnx' is not in the bundle, which has model.onnx, model.yaml",
        files=configured("artifact: net.onnx\n"),
    ),
    "golden that is not there": Bad(
        (
            "model.yaml: golden: 'golden.jsonl' is not in the bundle, which "
            "has model.onnx, model.yaml"
        ),
        files=configured("golden: golden.jsonl\n"),
    ),
    "memory not deployed": Bad(
        (
            "compute.memory_mib: 3008 needs a function of the model's own, "
            "which is not deployed: run `serval deploy --models DIR`, where DIR has the "
            "bundle in a folder of its own"
        ),
        files=configured("compute: {memory_mib: 3008}\n"),
    ),
    "fleet not there": Bad(
        (
            "model 'scaling' runs on fleet 'gpu', which this stage does not "
            "have: declare it in fleets.yaml, run `serval deploy --models DIR`, where DIR has the "
            "bundle in a folder of its own"
        ),
        files=configured("compute: {target: fleet, fleet: gpu}\n"),
    ),
    "too large for two in memory": Bad(
        (
            "the artifact has 1048705 bytes; two versions of it, side by side "
            "during a rollout, and requests beside them need 211 MiB of memory "
            "and the function has 202: set 'compute: {memory_mib: 211}', run `serval "
            "deploy --models DIR`, where DIR has the bundle in a folder of its own"
        ),
        files=large(),
    ),
}
ARTIFACTS = {
    "artifact is no ONNX model": Bad(
        "model.onnx is not an ONNX model but a text: export the model to ONNX, which is binary",
        files=GOOD | {"model.onnx": b"not a model"},
    ),
    "artifact is empty": Bad(
        "model.onnx is not an ONNX model but an empty file: export or download it again",
        files=GOOD | {"model.onnx": b""},
    ),
    "artifact is truncated": Bad(
        re.compile(
            r"model\.onnx is not an ONNX model: .*; it is damaged, cut off or "
            r"of another format: export it again"
        ),
        files=GOOD | {"model.onnx": GRAPH[:-20]},
    ),
    "artifact is a pickle": Bad(
        (
            "model.onnx is not an ONNX model but a pickle: loading it could run code; export the "
            "model to ONNX where it was trained (skl2onnx for scikit-learn, torch.onnx.export for "
            "PyTorch)"
        ),
        files=GOOD | {"model.onnx": pickle.dumps(print)},
    ),
    "artifact is a PyTorch archive": Bad(
        (
            "model.onnx is not an ONNX model but a zip archive: if the model is packed in it, "
            "unpack it and publish the ONNX file; if PyTorch wrote it, loading it could run code: "
            "export the model with torch.onnx.export"
        ),
        files=GOOD | {"model.onnx": b"PK\x03\x04rest"},
    ),
    "a pickle lies beside the model": Bad(
        (
            "scaler.pkl is a pickle: loading it could run code; export the "
            "model to ONNX (skl2onnx, torch.onnx.export)"
        ),
        files=GOOD | {"scaler.pkl": b"any"},
    ),
    "a joblib file lies beside the model": Bad(
        (
            "m.joblib is a pickle: loading it could run code; export the model "
            "to ONNX (skl2onnx, torch.onnx.export)"
        ),
        files=GOOD | {"m.joblib": pickled_by_joblib()},
    ),
    "weights outside the bundle": Bad(
        (
            "tensor 'factor': external data at '../w.bin': expected a path "
            "inside the bundle: relative and without '..'"
        ),
        files=beside("../w.bin"),
    ),
    "weights at an absolute path": Bad(
        (
            "tensor 'factor': external data at '/tmp/w.bin': expected a path "
            "inside the bundle: relative and without '..'"
        ),
        files=beside("/tmp/w.bin"),
    ),
    "weights by way of a detour": Bad(
        "tensor 'factor': external data at 'a//w.bin': expected a plain path, as 'a/w.bin'",
        files=beside("a//w.bin"),
    ),
    "weights of Windows": Bad(
        (
            "tensor 'factor': external data at 'weights\\\\w.bin': expected "
            "forward slashes, no backslash"
        ),
        files=beside("weights\\w.bin"),
    ),
    "weights left out": Bad(
        (
            "tensor 'factor': external data at 'weights.bin': weights.bin is "
            "not in the bundle; add it to the upload"
        ),
        files=beside("weights.bin"),
    ),
    "weights that end early": Bad(
        (
            "tensor 'factor': external data at 'w.bin': bytes 0 to 400 are to "
            "be read, and w.bin has 4 bytes: export the model again, and "
            "upload all of its files"
        ),
        files=beside("w.bin", length="400"),
    ),
    "operator domain unknown": Bad(
        (
            "model.onnx uses operator my.own::Fast, whose domain ONNX Runtime "
            "does not bring; allowed: ai.onnx, ai.onnx.ml, com.microsoft, and "
            "functions of the model's own"
        ),
        files=of_one_node(helper.make_node("Fast", ["x"], ["y"], domain="my.own")),
    ),
    "operator unknown": Bad(
        re.compile(r"model\.onnx is not a valid ONNX model: No Op registered for " r"Doubel .*"),
        files=of_one_node(helper.make_node("Doubel", ["x"], ["y"])),
    ),
    "opset too new": Bad(
        "opset 99 of ai.onnx, at most 26 expected: export with target_opset=26",
        files=edited(lambda m: setattr(m.opset_import[0], "version", 99)),
    ),
    "IR version too new": Bad(
        "IR version 99, at most 13 expected: export with an older opset, or set model.ir_version",
        files=edited(lambda m: setattr(m, "ir_version", 99)),
    ),
    "outputs are maps": Bad(
        re.compile(
            r"(?s).*output 'scores' is of kind sequence, a tensor expected: "
            r"`serval init NAME --from FILE` makes tensors of what ZipMap, or a list of them, .*"
        ),
        files=maps(),
    ),
    "outputs are sequences": Bad(
        (
            "model.onnx: output 's' is of kind sequence, a tensor expected: "
            "`serval init NAME --from FILE` makes tensors of what ZipMap, or a list of them, ends "
            "in; or export it as a tensor"
        ),
        files=of_one_node(
            helper.make_node("SequenceConstruct", ["x"], ["s"]),
            helper.make_value_info(
                "s",
                helper.make_sequence_type_proto(
                    helper.make_tensor_type_proto(TensorProto.FLOAT, ["n", 3])
                ),
            ),
        ),
    ),
    "input is complex": Bad(
        re.compile(r"(?s).*input 'x' has element type COMPLEX64, one of BOOL, .* " r"expected"),
        files=edited(
            lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", TensorProto.COMPLEX64)
        ),
    ),
    "graph without inputs": Bad(
        re.compile(r"model\.onnx is not a valid ONNX model: .*input 'x' of node: .*"),
        files=edited(lambda m: m.graph.ClearField("input")),
    ),
    "signature changed": Bad(
        (
            "output 'y' is gone (FP32 [-1, 3])\noutput 'scaled' is new (FP32 "
            "[-1, 3])\nversion 1 has another signature, so its callers would "
            "break: set 'rollout: {allow_signature_change: true}' if that is "
            "meant"
        ),
        files=edited(renamed_output),
    ),
}
ANSWERS = {
    "golden is empty": Bad(
        (
            "golden.jsonl has no requests: one JSON object per line, "
            '{"request": <V2 inference request>, "response": {"outputs": [<V2 '
            "tensor>, …]}}"
        ),
        files=golden(""),
    ),
    "golden line is not JSON": Bad(
        re.compile(r"golden\.jsonl line 2: not JSON: .* \(column 2\)"),
        files=golden(golden_line([3.0] * 3), "{'request': 1}"),
    ),
    "golden line without a response": Bad(
        (
            "golden.jsonl line 1: 'response' is missing or not an object: "
            '{"request": <V2 inference request>, "response": {"outputs": [<V2 '
            "tensor>, …]}} expected"
        ),
        files=golden('{"request": {"inputs": []}}'),
    ),
    "golden for another signature": Bad(
        "golden.jsonl line 1: input 'image' is unknown: the model takes x",
        files=golden(golden_line([3.0] * 3).replace('"x"', '"image"')),
    ),
    "golden differs": Bad(
        (
            "golden.jsonl line 2: output 'y': element [0, 2]: 3 given, 2 "
            "expected; the difference of 1 is over golden_tolerance 0.0001 * (1 + 2)"
        ),
        files=golden(golden_line([3.0] * 3), golden_line([3.0, 3.0, 2.0])),
    ),
    "golden of another shape": Bad(
        "golden.jsonl line 1: tensor 'x': shape [3, 1] given, [-1, 3] expected (-1: any extent)",
        files=golden(golden_line([3.0] * 3).replace("[1, 3]", "[3, 1]")),
    ),
    "answer is NaN": Bad(
        (
            "golden.jsonl line 1: output 'y': element [0, 0]: NaN given, 1 "
            "expected (2 more of its elements differ)"
        ),
        files=of_one_node(helper.make_node("Sqrt", ["x"], ["y"]))
        | {
            "model.yaml": configured("golden: golden.jsonl\n")["model.yaml"],
            "golden.jsonl": golden_line([1.0] * 3, -1.0).encode(),
        },
    ),
    "model fails when it runs": Bad(
        re.compile(
            r"(?s)the model fails on made-up inputs \(x \[1, 3\]\): .*requested "
            r"shape:\{7,7\}\nif it needs inputs of its own kind, publish golden "
            r"requests: 'golden:' in model\.yaml"
        ),
        files=reshaping(),
    ),
    "model hangs": Bad(
        (
            "running the golden check failed: it did not end within 300 "
            "seconds: the model hangs, or is too large or too slow for this "
            "step"
        ),
        failing=ends("golden", "Sandbox.Timedout", "Task timed out after 300.00 seconds"),
    ),
    "model takes all memory": Bad(
        (
            "running the golden check failed: out of memory: the model needs "
            "more than this step has; try a smaller one"
        ),
        failing=ends("golden", "Runtime.ExitError", "Runtime exited with error: signal: killed"),
    ),
    "model crashes the runtime": Bad(
        (
            "running the golden check failed: it crashed (segmentation fault): "
            "the runtime does not survive this model"
        ),
        failing=ends(
            "golden", "Runtime.ExitError", "Runtime exited with error: signal: segmentation fault"
        ),
    ),
    "checks take all memory": Bad(
        (
            "verifying the upload failed: out of memory: the model needs more "
            "than this step has; try a smaller one"
        ),
        failing=ends("verify", "Runtime.ExitError", "Runtime exited with error: signal: killed"),
    ),
}
DEPLOY = "run `serval deploy --models DIR`, where DIR has the bundle in a folder of its own"
ON_FLEETS = {
    "fleet does not answer for the model": Bad(
        f"model 'scaling' runs on fleet 'cpu', which does not answer for it yet: {DEPLOY}",
        files=configured("compute: {target: fleet, fleet: cpu}\n"),
    ),
    "model deployed on another fleet": Bad(
        "model 'textgen' is deployed on fleet 'tesla', and the bundle is for fleet 'cpu': "
        f"{DEPLOY}",
        files=heavy(fleet="cpu"),
        model="textgen",
    ),
    "model deployed on a fleet, bundle for Lambda": Bad(
        "model 'textgen' is deployed on fleet 'tesla', and the bundle is for Lambda: set "
        f"'compute: {{target: fleet, fleet: tesla}}', or {DEPLOY}",
        files=scaling_bundle("textgen"),
        model="textgen",
    ),
    "model deployed on Lambda, bundle for a fleet": Bad(
        "model 'own' is deployed on Lambda, with a function of its own of 202 MiB, and the bundle "
        f"is for fleet 'cpu': {DEPLOY}",
        files=heavy("own", "cpu"),
        model="own",
    ),
    "graph for Neuron": Bad(
        re.compile(
            r"a precompiled Neuron archive is expected: fleet 'inf' has AWS Neuron chips, which "
            r"run no ONNX graph as model\.onnx; compile the model .*"
        ),
        files=heavy("compiled", "inf"),
        model="compiled",
    ),
    "archive without a server": Bad(
        re.compile(
            r"artifact: 'model\.tar' is not an ONNX graph by its name, so an inference server has "
            r"to run it: set 'runtime: \{kind: http, …\}' and declare .*"
        ),
        files={
            "model.yaml": on_fleet("compiled", "inf", "artifact: model.tar\n"),
            "model.tar": tar([("model.neff", b"n")]),
        },
        model="compiled",
    ),
    "server on a SageMaker fleet": Bad(
        "fleet 'managed' is a SageMaker endpoint, which runs the worker alone: 'runtime: {kind: "
        "http}' needs a fleet of kind spot",
        files=served(model="vision", fleet="managed"),
        model="vision",
    ),
    "server without a signature": Bad(
        "model.yaml: 'runtime: {kind: http}' needs 'signature': inputs and outputs",
        files=served_on(more="runtime: {kind: http}\n"),
        model="served",
    ),
    "signature with a tensor twice": Bad(
        "model.yaml: signature.outputs: tensor 'answer' is repeated",
        files=served_on(
            more=SERVED.replace(
                "outputs: [", "outputs: [{name: answer, datatype: FP32, shape: [1]}, "
            )
        ),
        model="served",
    ),
    "archive that cannot be read": Bad(
        re.compile(r"model/weights\.tar is not a tar archive that can be read: .*; pack it again"),
        files=served_on(b"no archive"),
        model="served",
    ),
    "archive that leads out": Bad(
        "model/weights.tar: member '../../etc/cron.d/x': expected a path inside the bundle: "
        "relative and without '..'",
        files=served_on(tar([("../../etc/cron.d/x", b"x")])),
        model="served",
    ),
    "archive with a link": Bad(
        "model/weights.tar: member 'w' is a link; archives hold plain files and folders only",
        files=served_on(tar([special("w", tarfile.SYMTYPE, "/proc/self/environ")])),
        model="served",
    ),
    "archive with a device": Bad(
        "model/weights.tar: member 'w' is a device or a pipe; archives hold plain files and "
        "folders only",
        files=served_on(tar([special("w", tarfile.BLKTYPE)])),
        model="served",
    ),
    "archive with a pickle": Bad(
        "model/weights.tar: member 'model.pt' is a pickle by its name (traced TorchScript is "
        f"called '….neuron'): {REMEDY}",
        files=served_on(tar([("model.pt", b"x")])),
        model="served",
    ),
    "archive that is a bomb": Bad(
        re.compile(
            r"model/weights\.tar\.gz has \d+ bytes and unpacks to more than 100 times as many, as "
            r"weights never do"
        ),
        files=served_on(
            tar([("zeros", bytes(2**22))], compressed=True), artifact="model/weights.tar.gz"
        ),
        model="served",
    ),
    "a pickle for a server": Bad(
        "model/model.pt is a pickle by its name (traced TorchScript is called '….neuron'): "
        f"{REMEDY}",
        files=served_on(b"x", artifact="model/model.pt"),
        model="served",
    ),
}
TABLE = MANIFESTS | FILES | CONFIGURATIONS | ARTIFACTS | ANSWERS | ON_FLEETS


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Give a stage whose functions are small."""
    return Stage(tmp_path, {"*": 202, "own": 202}, fleets=FLEETS)


def left_behind(stage: Stage) -> Any:
    """Give everything that an upload could change, its own record apart."""
    registry = stage.registry
    return (
        stage.published(),
        dict(registry.records),
        dict(registry.digests),
        dict(registry.routes),
        set(registry.listed),
    )


@pytest.mark.parametrize("bad", TABLE.values(), ids=TABLE)
def test_a_bad_upload_is_refused_in_words_and_changes_nothing(
    bad: Bad, stage: Stage, tmp_path: Path
):
    first = stage.upload("scaling", "u1", scaling_bundle())
    assert stage.roll_out(first).status == "promoted"
    before = left_behind(stage)
    stage.verify = replace(stage.verify, memory_mib=bad.verify_mib)
    stage.failing = dict(bad.failing)

    outcome = stage.roll_out(bad.upload(stage), "another")

    assert outcome.status == "refused"
    if isinstance(bad.says, str):
        assert outcome.reason == bad.says
    else:
        assert bad.says.fullmatch(outcome.reason), outcome.reason
    assert left_behind(stage) == before
    assert stage.registry.routes["scaling"] == Route("1", rollout="u1", revision=1)
    record = stage.registry.rollout_records[bad.model, stage.announced[-1].rollout]
    assert (record.status, record.reason, record.version) == ("refused", outcome.reason, None)
    assert list(tmp_path.iterdir()) == []


def test_a_bare_graph_is_nothing_for_a_server(stage: Stage):
    assert stage.roll_out(stage.upload("served", "u1", served_on())).status == "promoted"

    outcome = stage.roll_out(stage.upload_bare("served", GRAPH), "another")

    assert (outcome.status, outcome.reason) == (
        "refused",
        "version 1 of model 'served' is run by an inference server, which takes no bare "
        "model.onnx: publish the whole bundle with `serval push BUNDLE`",
    )
    assert stage.registry.routes["served"].stable == "1"


def test_what_is_refused_first_can_be_mended_and_pushed_again(stage: Stage):
    assert stage.roll_out(FILES["wrong sha256"].upload(stage)).status == "refused"

    assert stage.roll_out(stage.upload("scaling", "u3", GOOD), "again").status == "promoted"


@pytest.mark.parametrize(
    "key",
    [
        "incoming/Iris/u2/manifest.json",
        "incoming/iris models/u2/manifest.json",
        "incoming/stats/u2/manifest.json",
        "incoming/iris/u2/deeper/manifest.json",
        "incoming/iris/u2/model.onnx",
        "incoming/Iris/model.onnx",
    ],
)
def test_a_key_that_names_no_model_is_ignored_and_says_what_was_expected(stage: Stage, key: str):
    outcome = stage.roll_out(ObjectCreated(BUCKET, key, "v1"))

    assert outcome.status == "ignored"
    assert outcome.reason == (
        f"{key!r} announces no upload: incoming/<model>/<upload>/manifest.json or "
        "incoming/<model>/model.onnx expected, where <model> is 1 to 63 lower-case letters, "
        "digits, '-' or '_', the first a letter or digit, and not 'stats'"
    )
    assert stage.crashes.calls == []
