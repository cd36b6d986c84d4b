"""Whole bundles: each way that an upload can be bad ends in a reason to act on."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from serval.bundles.manifest import read_manifest
from serval.bundles.verification.deployment import Deployment
from serval.bundles.verification.verify_bundle import VerifiedBundle, verify_bundle
from serval.errors import BundleRefused
from serval.handlers.signature import HANDLER_SIGNATURE
from serval.models.deployed_fleets import DeployedFleet, Fleets
from tests.fakes.registration import manifest_of, scaling_bundle, scaling_model
from tests.fakes.served import FLEETS, GPU, heavy, on_fleet, served, tar

STAGE = Deployment({"*": 1024}, 512)
HEAVY = Deployment({"*": 1024}, 512, FLEETS)


def verified(
    folder: Path, files: Mapping[str, bytes], stage: Deployment = STAGE, model: str = "scaling"
) -> VerifiedBundle:
    for path, body in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(body)
    return verify_bundle(folder, read_manifest(manifest_of(model, files), model), stage)


def reasons(folder: Path, files: Mapping[str, bytes], stage: Deployment = STAGE) -> tuple[str, ...]:
    with pytest.raises(BundleRefused) as refused:
        verified(folder, files, stage)
    return refused.value.reasons


def with_external_data(folder: Path, location: str) -> dict[str, bytes]:
    """Export a model whose weights lie beside it, then say they lie at ``location``."""
    model = scaling_model()
    model.graph.initializer[0].CopyFrom(
        onnx.numpy_helper.from_array(np.full(3, 2.0, np.float32), "factor")
    )
    onnx.save(
        model,
        folder / "exported.onnx",
        save_as_external_data=True,
        location="w.bin",
        size_threshold=0,
        convert_attribute=False,
    )
    saved = onnx.load(folder / "exported.onnx", load_external_data=False)
    saved.graph.initializer[0].external_data[0].value = location
    return {"model.onnx": saved.SerializeToString(), "w.bin": (folder / "w.bin").read_bytes()}


def test_an_artifact_and_a_name_are_enough(tmp_path: Path):
    bundle = verified(tmp_path, {"model.onnx": scaling_bundle()["model.onnx"]})

    assert bundle.bundle.name == "scaling"
    assert bundle.artifact_files == ("model.onnx",)


def test_weights_beside_the_graph_belong_to_the_artifact(tmp_path: Path):
    bundle = verified(tmp_path, with_external_data(tmp_path, "w.bin"))

    assert bundle.artifact_files == ("model.onnx", "w.bin")


@pytest.mark.parametrize("location", ["../w.bin", "/w.bin", "gone.bin"])
def test_weights_outside_the_bundle_are_refused(tmp_path: Path, location: str):
    (found,) = reasons(tmp_path, with_external_data(tmp_path, location))

    assert found.startswith(f"tensor 'factor': external data at {location!r}: ")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model.yaml": b"name: other\n"}, "model.yaml: name: 'other' given, 'scaling' expected"),
        (
            {"model.yaml": b"name: scaling\nartefact: x\n"},
            "model.yaml: unknown key 'artefact'; did you mean 'artifact'?",
        ),
        (
            {"model.yaml": b"name: scaling\nartifact: net.onnx\n"},
            "model.yaml: artifact: 'net.onnx' is not in the bundle, which has model.onnx",
        ),
        (
            {"model.yaml": b"name: scaling\ngolden: golden.jsonl\n"},
            "model.yaml: golden: 'golden.jsonl' is not in the bundle, which has model.onnx",
        ),
        ({"model.onnx": b""}, "model.onnx is not an ONNX model but an empty file: "),
        ({"model.onnx": b"<html>"}, "model.onnx is not an ONNX model but a web page: "),
        (
            {"model.onnx": pickle.dumps([1])},
            "model.onnx is not an ONNX model but a pickle: loading it could run code",
        ),
        ({"model.onnx": b"PK\x03\x04"}, "model.onnx is not an ONNX model but a zip archive: "),
        ({"extra.pkl": b"x"}, "extra.pkl is a pickle"),
        (
            {"model.yaml": b"name: scaling\ncompute: {memory_mib: 512}\n"},
            "compute.memory_mib: 512 needs a function of the model's own",
        ),
        (
            {"model.yaml": b"name: scaling\ncompute: {target: fleet, fleet: gpu}\n"},
            "model 'scaling' runs on fleet 'gpu', which this stage does not have",
        ),
        (
            {
                "model.yaml": b"name: scaling\nartifact: model.neff\n"
                b"compute: {target: fleet, fleet: gpu}\n",
                "model.neff": b"archive",
            },
            "artifact: 'model.neff' is not an ONNX graph by its name",
        ),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, changes: dict[str, bytes], reason: str):
    found, *_ = reasons(tmp_path, scaling_bundle() | changes)

    assert found.startswith(reason)


def test_everything_wrong_with_a_graph_is_reported_at_once(tmp_path: Path):
    model = scaling_model()
    model.opset_import[0].version = 99
    model.graph.node.append(helper.make_node("Twist", ["y"], ["z"], domain="com.example"))
    files = {
        "model.onnx": model.SerializeToString(),
        "model.yaml": b"name: scaling\ncompute: {memory_mib: 512}\n",
    }

    assert len(reasons(tmp_path, files)) == 3


def test_a_classifier_with_zipmap_is_refused_with_advice(tmp_path: Path):
    model = scaling_model()
    kind = helper.make_map_type_proto(
        TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, [])
    )
    zipmap = helper.make_node(
        "ZipMap", ["y"], ["z"], domain="ai.onnx.ml", classlabels_int64s=[0, 1, 2]
    )
    model.graph.node.append(zipmap)
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    model.graph.output.append(helper.make_value_info("z", helper.make_sequence_type_proto(kind)))

    (found,) = reasons(tmp_path, {"model.onnx": model.SerializeToString()})
    assert found.startswith("model.onnx: output 'z' is of kind sequence, a tensor expected")
    assert "`serval init NAME --from FILE` makes tensors of what ZipMap" in found


def test_a_model_of_which_two_do_not_fit_is_refused(tmp_path: Path):
    (found,) = reasons(tmp_path, scaling_bundle(), Deployment({"*": 128}, 512))

    assert "need 201 MiB of memory and the function has 128" in found


def test_a_graph_for_a_fleet_is_verified_as_any_other(tmp_path: Path):
    bundle = verified(tmp_path, heavy(), HEAVY, "textgen")

    assert bundle.fleet == GPU
    assert bundle.artifact_files == ("model.onnx",)
    assert bundle.signature.inputs[0].name == "x"


def test_what_a_server_runs_is_verified_without_a_graph(tmp_path: Path):
    files = served() | {"README.md": b"# served", "golden.jsonl": b"{}"}
    files["model.yaml"] += b"golden: golden.jsonl\n"

    bundle = verified(tmp_path, files, HEAVY, "served")

    assert bundle.artifact_files == ("model/weights.tar", "model/config.json")
    assert bundle.signature.to_json() == {
        "inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1, 1]}],
        "outputs": [{"name": "answer", "datatype": "BYTES", "shape": [-1, 1]}],
    }


def test_everything_wrong_with_what_a_server_runs_is_reported_at_once(tmp_path: Path):
    twice = b"{name: text, datatype: BYTES, shape: [1]}, "
    files = served(tar([("../weights.bin", b"w")]), "compiled", "gpu")
    files["model.yaml"] = files["model.yaml"].replace(b"inputs: [", b"inputs: [" + twice)

    with pytest.raises(BundleRefused) as refused:
        verified(tmp_path, files, HEAVY, "compiled")

    assert [reason.partition(":")[0] for reason in refused.value.reasons] == [
        "model.yaml",
        "model/weights.tar",
        "model 'compiled' is deployed on fleet 'inf', and the bundle is for fleet 'gpu'",
    ]


def test_an_endpoint_has_no_room_for_a_server(tmp_path: Path):
    assert verified(tmp_path, heavy("vision", "managed"), HEAVY, "vision").fleet is not None

    with pytest.raises(BundleRefused) as refused:
        verified(tmp_path, served(model="vision", fleet="managed"), HEAVY, "vision")

    assert refused.value.reasons == (
        "fleet 'managed' is a SageMaker endpoint, which runs the worker alone: "
        "'runtime: {kind: http}' needs a fleet of kind spot",
    )


def test_a_container_that_brings_its_model_is_a_model_yaml_alone(tmp_path: Path) -> None:
    boxes = DeployedFleet(name="boxes", image="r/m:1", models=("boxed",))
    runtime = "runtime: {kind: container, image: 'r/m:1', protocol: http}\n"
    stage = Deployment({"*": 1024}, 512, Fleets({"boxes": boxes}))
    files = {"model.yaml": on_fleet("boxed", "boxes", runtime)}
    found = verified(tmp_path, files, stage, "boxed")
    assert (found.signature, found.artifact_files) == (HANDLER_SIGNATURE, ("model.yaml",))


def test_an_archive_without_a_server_needs_one(tmp_path: Path):
    files = {
        "model.yaml": on_fleet("compiled", "inf", "artifact: model.tar\n"),
        "model.tar": tar([("model.neff", b"n")]),
    }

    with pytest.raises(BundleRefused) as refused:
        verified(tmp_path, files, HEAVY, "compiled")

    (found,) = refused.value.reasons
    assert found.startswith("artifact: 'model.tar' is not an ONNX graph by its name")
    assert "'runtime: {kind: http, …}'" in found
    assert "'signature:'" in found


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ("{y: [a]}", "columns: y: no such input; the model takes x"),
        ("{x: [a, b]}", "columns: x: 3 expected, one for each element, 2 given"),
        ("{x: [a, b, B]}", "columns: x: a name is repeated; capital letters make no difference"),
    ],
)
def test_columns_that_do_not_fit_the_inputs_are_refused(
    tmp_path: Path, columns: str, reason: str
) -> None:
    given = {**scaling_bundle(), "model.yaml": f"name: scaling\ncolumns: {columns}\n".encode()}
    assert any(reason in each for each in reasons(tmp_path, given))
