"""Stages synthesised once for all tests: from empty layers and two models, without an account."""

import pytest

from tests.stacks.synthesis import Sources, Synthesised, synthesise

LAYERS = ("core", "inference", "control", "verification")
MODELS = {"light": "name: light\n", "heavier": "name: heavier\ncompute: {memory_mib: 3538}\n"}


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    folder = tmp_path_factory.mktemp("sources")
    for variant in ("aws", "local"):
        for name in LAYERS:
            python = folder / "layers" / variant / name / "python"
            python.mkdir(parents=True)
            (python / f"{name}.py").write_text(f"VARIANT = {variant!r}\n")
    for model, text in MODELS.items():
        (folder / "models" / model).mkdir(parents=True)
        (folder / "models" / model / "model.yaml").write_text(text)
    return Sources(folder / "layers", folder / "models")


@pytest.fixture(scope="session")
def prod(sources: Sources, tmp_path_factory: pytest.TempPathFactory) -> Synthesised:
    return synthesise(sources, tmp_path_factory.mktemp("prod"))


@pytest.fixture(scope="session")
def laptop(sources: Sources, tmp_path_factory: pytest.TempPathFactory) -> Synthesised:
    return synthesise(sources, tmp_path_factory.mktemp("local"), stage="local")
