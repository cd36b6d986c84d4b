"""Which models get a function of their own."""

from pathlib import Path

import pytest

from serval.errors import BundleRefused
from stacks.own_functions import own_functions
from tests.stacks.synthesis import ROOT


def declare(models: Path, folder: str, text: str) -> None:
    (models / folder).mkdir()
    (models / folder / "model.yaml").write_text(text)


def test_models_that_declare_memory_get_a_function(tmp_path: Path) -> None:
    declare(tmp_path, "plain", "name: plain\n")
    declare(tmp_path, "large", "name: large\ncompute: {target: lambda, memory_mib: 3008}\n")
    declare(tmp_path, "heavy", "name: heavy\ncompute: {target: fleet, fleet: gpu}\n")
    (tmp_path / "notes").mkdir()
    assert own_functions(tmp_path) == {"large": 3008}


def test_the_example_models_can_be_read() -> None:
    assert "digits" in own_functions(ROOT / "models")


def test_a_mistake_is_named_with_its_folder(tmp_path: Path) -> None:
    declare(tmp_path, "odd", "name: odd\ncompute: {memory_mib: 64}\n")
    with pytest.raises(BundleRefused, match=r"odd/model.yaml: compute.memory_mib.*64"):
        own_functions(tmp_path)


def test_a_model_is_declared_in_one_folder(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        declare(tmp_path, folder, "name: same\ncompute: {memory_mib: 1024}\n")
    with pytest.raises(ValueError, match=r"two/model.yaml: model 'same' is declared in another"):
        own_functions(tmp_path)
