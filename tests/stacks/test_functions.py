"""What every function is deployed as."""

import ast
import json
import platform
from pathlib import Path

import pytest

from layers.dependencies.installation import LIBRARY
from serval.models.resource_names import golden_function_name
from serval.requests.request import UPLOAD_LIMIT_BYTES
from serval.settings import unpack
from stacks.stage.layers import LayersNotBuilt, packages
from tests.fakes.function_layers import FUNCTIONS
from tests.stacks.synthesis import ROOT, Sources, Synthesised, synthesise

COPIES = {"infer-heavier", "golden-heavier"}
"""For the one model of the fixtures that wants a function of its own."""


def test_every_function_folder_is_deployed_exactly_once(prod: Synthesised) -> None:
    """The worker's folder has no handler: it becomes an image."""
    folders = [handler.parent.name for handler in (ROOT / "functions").glob("*/handler.py")]
    assert sorted(prod.functions) == sorted([*folders, *COPIES])
    assert len(set(prod.functions.values())) == len(prod.resources("AWS::Lambda::Function"))


@pytest.mark.parametrize("name", ["infer", "golden"])
def test_a_models_own_function_has_the_code_of_the_shared_one(prod: Synthesised, name: str) -> None:
    assert prod.function(f"{name}-heavier")["Code"] == prod.function(name)["Code"]


def test_every_function_runs_on_arm64_with_the_python_that_its_layers_are_for(
    prod: Synthesised,
) -> None:
    for function in prod.properties("AWS::Lambda::Function"):
        assert function["Architectures"] == ["arm64"]
        assert function["Runtime"] == "python3.13"
    for layer in prod.properties("AWS::Lambda::LayerVersion"):
        assert layer["CompatibleArchitectures"] == ["arm64"]
        assert layer["CompatibleRuntimes"] == ["python3.13"]


def test_a_laptop_runs_functions_on_its_own_architecture(laptop: Synthesised) -> None:
    own = "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"
    for function in laptop.properties("AWS::Lambda::Function"):
        assert function["Architectures"] == [own]


def test_a_function_has_the_sdk_exactly_when_it_calls_it(prod: Synthesised) -> None:
    (sdk,) = [
        logical_id
        for logical_id, resource in prod.templates["api"]["Resources"].items()
        if resource["Type"] == "AWS::Lambda::LayerVersion"
        and resource["Properties"]["LayerName"].endswith("-sdk")
    ]
    for folder in (ROOT / "functions").glob("*/handler.py"):
        calls = "boto3" in modules_imported(folder)
        assert ({"Ref": sdk} in prod.function(folder.parent.name)["Layers"]) == calls, folder


def modules_imported(start: Path) -> set[str]:
    """Follow the import statements of a file through the library."""
    queue, seen, found = [start], set(), set()
    while queue:
        file = queue.pop()
        if file in seen:
            continue
        seen.add(file)
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            found.update(names)
            places = [LIBRARY / name.replace(".", "/") for name in names]
            queue += [
                place.with_suffix(".py") for place in places if place.with_suffix(".py").exists()
            ]
            if isinstance(node, ast.ImportFrom):
                inside = [LIBRARY / names[0].replace(".", "/") / f"{a.name}.py" for a in node.names]
                queue += [place for place in inside if place.exists()]
    return found


def test_nothing_is_traced_unless_the_stage_chooses_it(
    prod: Synthesised, heavy_sources: Sources, tmp_path: Path
) -> None:
    assert not any("TracingConfig" in each for each in prod.properties("AWS::Lambda::Function"))
    assert "xray:" not in json.dumps(prod.templates["api"])
    traced = synthesise(heavy_sources, tmp_path, tracing="active")
    for function in traced.properties("AWS::Lambda::Function"):
        assert function["TracingConfig"] == {"Mode": "Active"}
    machines = traced.properties("AWS::StepFunctions::StateMachine")
    assert len(machines) == 3
    for machine in machines:
        assert machine["TracingConfiguration"] == {"Enabled": True}


def test_infer_logs_its_own_lines_and_none_of_lambdas_for_each_request(prod: Synthesised) -> None:
    for name in prod.functions:
        logging = dict(prod.function(name)["LoggingConfig"])
        del logging["LogGroup"]
        assert logging == (
            {"LogFormat": "JSON", "SystemLogLevel": "WARN", "ApplicationLogLevel": "INFO"}
            if name.startswith(("infer", "stream"))
            else {}
        )


def test_every_function_has_a_role_and_a_log_of_its_own(prod: Synthesised) -> None:
    functions = prod.properties("AWS::Lambda::Function")
    roles = {json.dumps(function["Role"]) for function in functions}
    logs = {function["LoggingConfig"]["LogGroup"]["Ref"] for function in functions}
    assert len(roles) == len(logs) == len(functions) == 31
    for role in prod.properties("AWS::IAM::Role"):
        assert "ManagedPolicyArns" not in role
    for log in prod.properties("AWS::Logs::LogGroup"):
        assert log["RetentionInDays"] == 30


@pytest.mark.parametrize(
    ("name", "memory_mib", "timeout_s", "storage_mib"),
    [
        ("infer", 1769, 29, 2048),
        ("infer-heavier", 3538, 29, 2048),
        ("stream", 3538, 900, 2048),
        ("describe", 512, 10, 512),
        ("claim", 512, 60, 512),
        ("verify", 3008, 900, 512),
        ("optimise", 3008, 900, 4096),
        ("golden", 1769, 300, 2048),
        ("golden-heavier", 3538, 300, 2048),
        ("register", 512, 900, 512),
        ("evaluate", 512, 60, 512),
        ("conclude", 512, 60, 512),
        ("submit", 1024, 29, 512),
        ("requests", 512, 29, 512),
        ("wait", 256, 29, 512),
        ("answer", 3538, 900, 2048),
        ("proceed", 3538, 900, 2048),
        ("callback", 256, 30, 512),
        ("tick", 512, 60, 512),
        ("sweep", 512, 300, 512),
        ("fallback", 512, 60, 512),
        ("dispatch", 512, 60, 512),
        ("complete", 512, 60, 512),
        ("batch", 1024, 29, 512),
        ("accept", 1024, 300, 512),
        ("plan", 1769, 900, 512),
        ("scan", 1769, 900, 512),
        ("cut", 1769, 900, 512),
        ("shard", 3538, 900, 2048),
        ("assemble", 1769, 900, 512),
        ("finish", 512, 300, 512),
    ],
)
def test_sizes(
    prod: Synthesised, name: str, memory_mib: int, timeout_s: int, storage_mib: int
) -> None:
    function = prod.function(name)
    assert (function["MemorySize"], function["Timeout"]) == (memory_mib, timeout_s)
    assert function["EphemeralStorage"] == {"Size": storage_mib}


def test_verify_knows_the_sizes_of_the_inference_functions(prod: Synthesised) -> None:
    variables = prod.function("verify")["Environment"]["Variables"]
    assert json.loads(unpack(variables["FUNCTIONS"])) == {"*": 1769, "heavier": 3538}
    for name in ("infer", "infer-heavier"):
        infer = prod.function(name)
        assert variables["EPHEMERAL_STORAGE_MIB"] == str(infer["EphemeralStorage"]["Size"])
        assert (
            infer["Environment"]["Variables"]["EPHEMERAL_STORAGE_MIB"]
            == (variables["EPHEMERAL_STORAGE_MIB"])
        )


@pytest.mark.parametrize("model", ["", "-heavier"])
def test_the_golden_check_runs_in_the_likeness_of_infer(prod: Synthesised, model: str) -> None:
    golden, infer = prod.function(f"golden{model}"), prod.function(f"infer{model}")
    for setting in ("Architectures", "EphemeralStorage", "Layers", "MemorySize", "Runtime"):
        assert golden[setting] == infer[setting]


def test_claim_knows_which_golden_function_stands_beside_which_infer(prod: Synthesised) -> None:
    variables = prod.function("claim")["Environment"]["Variables"]
    assert variables["GOLDEN_FUNCTION"] == {"Ref": prod.functions["golden"]}
    assert json.loads(unpack(variables["CHECKED_MODELS"])) == ["heavier"]
    own = prod.function("golden-heavier")["FunctionName"]
    assert own == golden_function_name(variables["STAGE"], "heavier")


def test_memory_of_the_steps_that_hold_a_bundle_can_be_raised(
    sources: Sources, tmp_path: Path
) -> None:
    stage = synthesise(sources, tmp_path, verification_memory_mib="10240", answer_memory_mib="6000")
    assert {stage.function(name)["MemorySize"] for name in ("verify", "optimise")} == {10240}
    assert stage.function("answer")["MemorySize"] == 6000
    told = stage.function("submit")["Environment"]["Variables"]["LIGHT_UPLOAD_BYTES"]
    assert told == str(UPLOAD_LIMIT_BYTES), "with so much memory, it is what any model takes"


def test_metrics_are_complete_sooner_on_a_laptop(prod: Synthesised, laptop: Synthesised) -> None:
    lags = [
        int(stage.function("evaluate")["Environment"]["Variables"]["METRIC_LAG_SECONDS"])
        for stage in (laptop, prod)
    ]
    assert lags[0] < lags[1] == 90


def test_a_function_gets_the_layers_on_which_a_test_starts_it_and_no_others(
    prod: Synthesised,
) -> None:
    names = {
        logical_id: resource["Properties"]["LayerName"].removeprefix("serval-prod-")
        for template in prod.templates.values()
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Lambda::LayerVersion"
    }
    for name in prod.functions.keys() - COPIES:
        layers = {names[layer["Ref"]] for layer in prod.function(name)["Layers"]}
        assert layers == {"core", *FUNCTIONS[name]}, name
    for name in ("infer", "golden"):
        own = prod.function(f"{name}-heavier")["Layers"]
        assert len(own) == len(prod.function(name)["Layers"]), name


def test_each_stage_packs_the_layers_made_for_it(prod: Synthesised, laptop: Synthesised) -> None:
    def variants(stage: Synthesised) -> set[str]:
        return {path.read_text() for path in stage.folder.glob("asset.*/python/*.py")}

    assert variants(prod) == {"VARIANT = 'aws'\n"}
    assert variants(laptop) == {"VARIANT = 'local'\n"}


def test_function_packages_hold_sources_alone(prod: Synthesised) -> None:
    assert list(prod.folder.glob("asset.*/handler.py"))
    assert not list(prod.folder.glob("asset.*/__pycache__"))


def test_layers_that_are_not_built_stop_the_synth_with_the_remedy(
    sources: Sources, tmp_path: Path
) -> None:
    nowhere = Sources(tmp_path / "layers", sources.models)
    with pytest.raises(LayersNotBuilt, match="layers/aws/core is not built: run `make layers-aws`"):
        nowhere.app(tmp_path / "out")


def test_a_layer_names_its_packages_in_as_many_characters_as_lambda_takes(tmp_path: Path) -> None:
    assert packages(tmp_path) is None
    (tmp_path / "boto3-1.2.3.dist-info").mkdir()
    (tmp_path / "zstandard-0.1.dist-info").mkdir()
    assert packages(tmp_path) == "boto3 1.2.3, zstandard 0.1"
    for number in range(100):
        (tmp_path / f"p{number}-1.dist-info").mkdir()
    assert len(packages(tmp_path) or "") == 256
