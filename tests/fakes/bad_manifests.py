"""Bad uploads: manifests, files and what model.yaml says."""

import re

from tests.fakes.bad_uploads import (
    GOOD,
    Bad,
    configured,
    entry,
    large,
    listing,
)
from tests.fakes.registration import edited_manifest, manifest_of

GRAPH = GOOD["model.onnx"]
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
        "manifest.json: files[0]: a: size_bytes -1: expected a whole number up to 214748364800",
        manifest=listing(entry("a", -1)),
    ),
    "manifest with a terabyte": Bad(
        (
            "manifest.json: files[0]: a: size_bytes 1099511627776: expected a "
            "whole number up to 214748364800"
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
