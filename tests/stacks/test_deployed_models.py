"""What the models of a repository ask of a stage."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from serval.errors import BundleRefused
from serval.models.deployed_fleets import Fleets
from stacks.stage.bundle_folders import DeclaredTwice
from stacks.stage.deployed_models import DeployedModels, read_models
from tests.stacks.synthesis import ROOT

FLEETS = """
fleets:
  - {name: gpu, accelerator: nvidia, instance_types: [g6.xlarge, g5.xlarge], maximum: 4}
  - {name: idle, instance_types: [c7i.xlarge]}
  - {name: managed, kind: sagemaker, accelerator: nvidia, instance_types: [ml.g5.xlarge]}
"""
SERVED = """
runtime: {kind: http, server: %s}
signature:
  inputs: [{name: x, datatype: FP32, shape: [-1]}]
  outputs: [{name: y, datatype: FP32, shape: [-1]}]
"""


def read(folder: Path, models: Mapping[str, str], fleets: str | None = FLEETS) -> DeployedModels:
    for name, text in models.items():
        (folder / "models" / name).mkdir(parents=True)
        (folder / "models" / name / "model.yaml").write_text(text)
    if fleets is not None:
        (folder / "fleets.yaml").write_text(fleets)
    return read_models(folder / "models", folder / "fleets.yaml")


def on(name: str, fleet: str, more: str = "") -> str:
    return f"name: {name}\ncompute: {{target: fleet, fleet: {fleet}}}\n{more}"


def test_models_that_declare_memory_get_a_function(tmp_path: Path) -> None:
    large = "name: large\ncompute: {target: lambda, memory_mib: 3008}\n"
    models = read(tmp_path, {"plain": "name: plain\n", "large": large, "heavy": on("heavy", "gpu")})
    assert models.own_functions == {"large": 3008}


def test_a_fleet_is_deployed_if_a_model_names_it(tmp_path: Path) -> None:
    models = read(tmp_path, {"b": on("b", "gpu"), "a": on("a", "gpu"), "plain": "name: plain\n"})
    assert models.fleets.by_name["gpu"].models == ("a", "b")
    assert models.fleets.by_name.keys() == models.declared.keys() == {"gpu"}
    assert models.declared["gpu"].instance_types == ("g6.xlarge", "g5.xlarge")
    assert models.servers == {}


def test_a_stage_of_light_models_needs_no_fleets(tmp_path: Path) -> None:
    models = read(tmp_path, {"plain": "name: plain\n"}, fleets=None)
    assert models.fleets == Fleets({})


def test_a_fleet_that_nobody_declared_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BundleRefused, match=r"model 'heavy': compute.fleet: 'tpu' given, one of"):
        read(tmp_path, {"heavy": on("heavy", "tpu")})


def test_the_example_models_and_fleets_can_be_read() -> None:
    models = read_models(ROOT / "models", ROOT / "fleets.yaml")
    assert "digits" in models.own_functions
    assert models.fleets.by_name.keys() == {"gpu"}


def test_a_mistake_is_named_with_its_folder(tmp_path: Path) -> None:
    with pytest.raises(BundleRefused, match=r"odd/model.yaml: compute.memory_mib.*64"):
        read(tmp_path, {"odd": "name: odd\ncompute: {memory_mib: 64}\n"})


@pytest.mark.parametrize(
    "declared", ["name: same\ncompute: {memory_mib: 1024}\n", on("same", "gpu")]
)
def test_a_model_that_needs_a_deploy_is_declared_in_one_folder(
    tmp_path: Path, declared: str
) -> None:
    with pytest.raises(ValueError, match=r"two/model.yaml: model 'same' is declared in another"):
        read(tmp_path, {"one": "name: same\n", "two": declared})


def test_a_server_takes_the_whole_accelerator_of_its_fleet(tmp_path: Path) -> None:
    shared = {"a": on("a", "gpu", SERVED % "triton"), "b": on("b", "gpu", SERVED % "triton")}
    assert read(tmp_path, shared).servers["gpu"].server == "triton"
    with pytest.raises(BundleRefused, match=r"fleet 'gpu': .* b: triton on port 8000, c: none"):
        read(tmp_path, {"c": on("c", "gpu")})


def test_a_server_that_serves_one_model_is_not_shared(tmp_path: Path) -> None:
    shared = {
        "a": on("a", "gpu", SERVED % "lmi, protocol: openai"),
        "b": on("b", "gpu", SERVED % "lmi, protocol: openai"),
    }
    with pytest.raises(BundleRefused, match=r"fleet 'gpu': server 'lmi' serves one model, and a,"):
        read(tmp_path, shared)


def test_a_container_is_of_one_model_and_its_image_is_the_fleets(tmp_path: Path) -> None:
    boxed = "runtime: {kind: container, image: 'r/m:1', protocol: http}\n"
    models = read(tmp_path, {"a": on("a", "gpu", boxed)})
    assert models.fleets.by_name["gpu"].image == "r/m:1"
    with pytest.raises(BundleRefused, match=r"fleet 'gpu': server 'r/m:1' serves one model, and a"):
        read(tmp_path, {"b": on("b", "gpu", boxed)})


@pytest.mark.parametrize(
    ("fleet", "runtime", "paired"),
    [
        ("gpu", SERVED % "lmi, protocol: openai", ("a",)),
        ("gpu", SERVED % "triton", ()),
        ("gpu", SERVED % "lmi, protocol: openai, processes: 2", ()),
        ("gpu", "", ()),
        (
            "gpu",
            "runtime: {kind: container, image: 'r/m:1', protocol: http, command: run}\n",
            ("a",),
        ),
        ("gpu", "runtime: {kind: container, image: 'r/m:1', protocol: http}\n", ()),
        ("idle", "runtime: {kind: container, image: 'r/m:1', protocol: http, command: run}\n", ()),
    ],
)
def test_a_candidate_has_a_queue_where_a_version_fills_one_of_several_machines(
    tmp_path: Path, fleet: str, runtime: str, paired: tuple[str, ...]
) -> None:
    models = read(tmp_path, {"a": on("a", fleet, runtime)})
    assert models.fleets.by_name[fleet].paired == paired


def test_a_model_named_as_a_candidate_s_queue_is_refused(tmp_path: Path) -> None:
    models = {
        "a": on("a", "gpu", SERVED % "lmi, protocol: openai"),
        "a-candidate": on("a-candidate", "idle"),
    }
    with pytest.raises(BundleRefused, match=r"model 'a-candidate': its queue would have another"):
        read(tmp_path, models)


def test_an_endpoint_has_no_server_beside_it(tmp_path: Path) -> None:
    with pytest.raises(BundleRefused, match=r"fleet 'managed': .* a want 'runtime.server'"):
        read(tmp_path, {"a": on("a", "managed", SERVED % "triton")})


@pytest.mark.parametrize(
    "models", [("callbacks",), ("schedules",), ("gpu-shards",), ("a", "a-dead")]
)
def test_models_whose_queues_would_share_a_name_are_refused(
    tmp_path: Path, models: tuple[str, ...]
) -> None:
    with pytest.raises(BundleRefused, match=rf"model '{models[-1]}': its queue would have another"):
        read(tmp_path, {name: on(name, "gpu") for name in models})


SCHEDULED = """
name: mood
inputs: [{name: text, datatype: BYTES, shape: [1]}]
steps: [{name: review, model: reviews}]
output: review
schedules:
  - {name: nightly, cron: "0 3 * * ? *", input: "s3://texts/{date}/", output: "s3://moods/{date}/"}
"""


def write_pipeline(folder: Path, text: str) -> None:
    (folder / "models/mood").mkdir(parents=True)
    (folder / "models/mood/pipeline.yaml").write_text(text)


def test_a_pipeline_may_start_by_the_clock(tmp_path: Path) -> None:
    write_pipeline(tmp_path, SCHEDULED)
    (nightly,) = read(tmp_path, {"plain": "name: plain\n"}).scheduled["mood"].schedules
    assert (nightly.name, nightly.cron) == ("nightly", "0 3 * * ? *")


def test_a_pipeline_without_schedules_asks_nothing_of_a_deploy(tmp_path: Path) -> None:
    write_pipeline(tmp_path, SCHEDULED.partition("schedules:")[0])
    assert read(tmp_path, {"plain": "name: plain\n"}).scheduled == {}


def test_a_scheduled_pipeline_has_a_name_of_its_own(tmp_path: Path) -> None:
    write_pipeline(tmp_path, SCHEDULED)
    with pytest.raises(DeclaredTwice, match="model 'mood' is declared in another folder too"):
        read(tmp_path, {"other": "name: mood\n"})


@pytest.mark.parametrize(
    ("wrong", "right", "reason"),
    [
        ("0 3 * * ? *", "0 3 * * *", "mood/pipeline.yaml: schedules.0.cron: .* EventBridge"),
        ("s3://moods", "s3://texts", "mood/pipeline.yaml: schedules.0: "),
    ],
)
def test_a_pipelines_schedule_is_checked_and_its_folder_named(
    wrong: str, right: str, reason: str, tmp_path: Path
) -> None:
    write_pipeline(tmp_path, SCHEDULED.replace(wrong, right))
    with pytest.raises(BundleRefused, match=reason):
        read(tmp_path, {"plain": "name: plain\n"})
