"""Layers are built when something changed, all or none, and swapped in when they are good."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from layers.dependencies.assembly import Assembly, BuiltLayer, check_together
from layers.dependencies.bytecode import compiler
from layers.dependencies.declarations import AWS, LOCAL, Layer, Variant
from layers.dependencies.failures import LayerBuildFailed

TINY = Layer("tiny", limit_mb=1, lock="layer-control.txt", left_out=("package/heavy/*",))


class Installer:
    """Stands for uv: writes one small package, and counts how often it was asked."""

    def __init__(self, **files: str) -> None:
        self.files = {"package/__init__.py": "answer = 42\n", **files}
        self.calls = 0

    def __call__(self, layer: Layer, variant: Variant, folder: Path) -> Path:
        self.calls += 1
        for path, content in self.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content)
        return folder


@pytest.fixture
def assembly(tmp_path) -> Assembly:
    return Assembly(
        variant=LOCAL,
        layers=[TINY],
        output=tmp_path,
        compiler=lambda: compiler(LOCAL.python, "native"),
        install=Installer(),
    )


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_layer_holds_sources_and_byte_code_below_python(assembly, tmp_path):
    (built,) = assembly.build()
    assert files(tmp_path) == {
        "local/tiny.stamp",
        "local/tiny/python/package/__init__.py",
        f"local/tiny/python/package/__pycache__/__init__.{sys.implementation.cache_tag}.pyc",
    }
    assert built.rebuilt
    assert built.size > len("answer = 42\n")


def test_what_is_left_out_is_left_out(assembly, tmp_path):
    installer = Installer(
        **{"package/heavy/big.py": "", "package/tests/test_it.py": "", "bin/x": ""}
    )
    replace(assembly, install=installer).build()
    assert {path.split("/")[-1] for path in files(tmp_path) if path.endswith(".py")} == {
        "__init__.py"
    }


def test_nothing_is_done_when_nothing_changed(assembly, tmp_path):
    assembly.build()
    before = {file: (tmp_path / file).stat().st_mtime_ns for file in files(tmp_path)}
    (again,) = assembly.build()
    assert not again.rebuilt
    assert assembly.install.calls == 1
    assert {file: (tmp_path / file).stat().st_mtime_ns for file in files(tmp_path)} == before


@pytest.mark.parametrize(
    "change",
    [
        {"layers": [replace(TINY, left_out=())]},
        {"layers": [replace(TINY, lock="layer-verification.txt")]},
        {"variant": replace(LOCAL, platform="elsewhere")},
    ],
    ids=["trim rules", "lock file", "platform"],
)
def test_a_layer_is_built_again_when_what_it_was_made_from_changed(assembly, change):
    assembly.build()
    (again,) = replace(assembly, **change).build()
    assert again.rebuilt


def test_a_layer_whose_folder_is_gone_is_built_again(assembly, tmp_path):
    assembly.build()
    (tmp_path / "local/tiny").rename(tmp_path / "elsewhere")
    (again,) = assembly.build()
    assert again.rebuilt


@pytest.mark.parametrize("damage", ["", "[]", '{"fingerprint": "cut sho'])
def test_a_damaged_stamp_counts_as_none(assembly, tmp_path, damage):
    assembly.build()
    (tmp_path / "local/tiny.stamp").write_text(damage)
    (again,) = assembly.build()
    assert again.rebuilt


def test_a_layer_over_its_limit_is_refused_and_the_old_one_stands(assembly, tmp_path):
    assembly.build()
    heavy = Installer(**{"package/weights.bin": "x" * 1_200_000})
    grown = replace(assembly, layers=[replace(TINY, left_out=())], install=heavy)
    with pytest.raises(LayerBuildFailed, match=r"'tiny' for 'local' is 1\.2 MB unzipped, .* 1 MB"):
        grown.build()
    assert "local/tiny/python/package/weights.bin" not in files(tmp_path / "local/tiny")
    (still,) = assembly.build()
    assert not still.rebuilt


def test_layers_over_lambdas_limit_together_are_refused():
    names = ("core", "inference", "batch")
    built = [BuiltLayer(replace(TINY, name=n), AWS, 90_000_000, rebuilt=True) for n in names]
    check_together(built[:2], AWS)
    with pytest.raises(
        LayerBuildFailed,
        match=r"core, sdk, inference, batch, tasks are 270\.0 MB together, Lambda allows 250 MB",
    ):
        check_together(built, AWS)


def test_layers_that_no_function_has_together_may_be_over_the_limit():
    names = ("core", "batch", "verification")
    check_together(
        [BuiltLayer(replace(TINY, name=n), AWS, 90_000_000, rebuilt=True) for n in names], AWS
    )


def test_source_that_does_not_compile_is_named_and_the_old_layer_stands(assembly, tmp_path):
    assembly.build()
    broken = Installer(**{"package/broken.py": "def f(:\n"})
    with pytest.raises(LayerBuildFailed, match=r"package/broken\.py"):
        replace(assembly, layers=[replace(TINY, left_out=())], install=broken).build()
    assert "python/package/__init__.py" in files(tmp_path / "local/tiny")


def test_what_an_interrupted_build_left_does_not_get_into_the_next(assembly, tmp_path):
    stray = tmp_path / "local/.scratch/tiny/python/stray.py"
    stray.parent.mkdir(parents=True)
    stray.write_text("")
    assembly.build()
    assert not any("stray" in file for file in files(tmp_path))
