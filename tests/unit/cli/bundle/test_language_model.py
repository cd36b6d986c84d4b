"""serval_cli/bundle/language_model.py: a folder of safetensors becomes a bundle for vLLM."""

import json
from pathlib import Path

import pytest

from serval.bundles.bundle import read_bundle
from serval.bundles.verification.served import declared_signature
from serval.errors import BundleRefused
from serval.inference.runtimes.http_completions import check_signature
from serval_cli.bundle.folder import read_folder
from serval_cli.bundle.language_model import is_language_model, make_server_bundle
from serval_cli.failures import CommandFailed
from tests.fakes.command_line import Terminal

HEADER = b'{"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}'
WEIGHTS = len(HEADER).to_bytes(8, "little") + HEADER + b"wwww"


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Save a model as transformers does, in two shards."""
    folder = tmp_path / "saved"
    folder.mkdir()
    config = {"architectures": ["LlamaForCausalLM"]}
    shards = {"a": "model-1-of-2.safetensors", "b": "model-2-of-2.safetensors"}
    texts = {
        "config.json": json.dumps(config),
        "tokenizer.json": "{}",
        "model.safetensors.index.json": json.dumps({"weight_map": shards}),
        ".gitattributes": "",
        "pytorch_model.bin": "the same weights",
        "modeling_own.py": "",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    for name in shards.values():
        (folder / name).write_bytes(WEIGHTS)
    return folder


def test_the_bundle_has_what_the_server_needs_and_passes_the_checks(
    saved: Path, tmp_path: Path
) -> None:
    assert is_language_model(saved)

    files = make_server_bundle("llm", saved, tmp_path / "llm")

    bundle = read_folder(tmp_path / "llm")
    assert set(files) == set(bundle.sizes)
    assert set(files) == {
        "model/config.json",
        "model/tokenizer.json",
        "model/model.safetensors.index.json",
        "model/model-1-of-2.safetensors",
        "model/model-2-of-2.safetensors",
        "model.yaml",
        "README.md",
    }
    assert bundle.bundle.artifact == "model/model.safetensors.index.json"
    signature, reasons = declared_signature(bundle.bundle)
    assert reasons == []
    check_signature(signature)


def test_weights_are_there_once(saved: Path, tmp_path: Path) -> None:
    shard = "model-1-of-2.safetensors"
    (saved / shard).rename(tmp_path / "blob")
    (saved / shard).symlink_to(tmp_path / "blob")

    make_server_bundle("llm", saved, tmp_path / "llm")

    made = tmp_path / "llm" / "model" / shard
    assert not made.is_symlink()
    assert made.samefile(tmp_path / "blob")


def test_one_file_of_weights_is_the_artifact(saved: Path, tmp_path: Path) -> None:
    for path in saved.glob("model*"):
        path.unlink()
    (saved / "model.safetensors").write_bytes(WEIGHTS)

    make_server_bundle("llm", saved, tmp_path / "llm")

    text = (tmp_path / "llm" / "model.yaml").read_text()
    assert read_bundle(text).artifact == "model/model.safetensors"


def test_weights_that_are_missing_or_cut_off_are_refused(saved: Path, tmp_path: Path) -> None:
    (saved / "model-1-of-2.safetensors").write_bytes(WEIGHTS[:-1])
    (saved / "model-2-of-2.safetensors").unlink()

    with pytest.raises(BundleRefused) as refused:
        make_server_bundle("llm", saved, tmp_path / "llm")

    cut, missing = refused.value.reasons
    assert cut.startswith("model-1-of-2.safetensors is not whole")
    assert "names model-2-of-2.safetensors, which is not in the bundle" in missing
    assert not (tmp_path / "llm").exists()


def test_a_model_without_tokenizer_is_refused(saved: Path, tmp_path: Path) -> None:
    (saved / "tokenizer.json").unlink()

    with pytest.raises(CommandFailed, match=r"has no tokenizer\.json"):
        make_server_bundle("llm", saved, tmp_path / "llm")


@pytest.mark.parametrize("heads", [["BertForMaskedLM"], [], "LlamaForCausalLM", None])
def test_other_models_are_none(saved: Path, heads: object) -> None:
    (saved / "config.json").write_text(json.dumps({"architectures": heads}))
    assert not is_language_model(saved)


@pytest.mark.parametrize("graph", ["model.onnx", "onnx/model.onnx"])
def test_a_folder_with_a_graph_stays_one(saved: Path, graph: str) -> None:
    (saved / graph).parent.mkdir(exist_ok=True)
    (saved / graph).write_bytes(b"")
    assert not is_language_model(saved)


def test_init_makes_it_and_says_what_comes_next(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "llm")
    made = Terminal(monkeypatch, capsys).serval(
        "init", "llm", "--from", str(saved), "--dir", folder, "--json"
    )

    assert "model/tokenizer.json" in made.value["files"]
    assert "name its fleet in model.yaml" in " ".join(made.err.split())
