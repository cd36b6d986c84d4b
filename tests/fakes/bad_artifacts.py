"""Bad uploads: artifacts that are no model, and models that answer badly."""

import pickle
import re

from onnx import TensorProto, helper

from tests.fakes.bad_uploads import (
    GOOD,
    Bad,
    beside,
    configured,
    edited,
    ends,
    golden,
    golden_line,
    maps,
    of_one_node,
    pickled_by_joblib,
    renamed_output,
    reshaping,
)

GRAPH = GOOD["model.onnx"]
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
