"""Byte-code is compiled by the Python it is for, whichever way that Python is found."""

import importlib.util
import marshal
import sys

import pytest

from layers.dependencies.bytecode import compiler, natives
from layers.dependencies.declarations import AWS, LOCAL
from layers.dependencies.failures import LayerBuildFailed

pytestmark = pytest.mark.slow

MAGIC_OF_3_13 = 3571


@pytest.fixture
def tree(tmp_path):
    source = tmp_path / "python" / "package" / "module.py"
    source.parent.mkdir(parents=True)
    source.write_text(
        "names = {'a', 'b', 'c'}\n\n\ndef pick(name):\n    return name in {'x', 'y'}\n"
    )
    return tmp_path / "python"


def code_of(tree, tag: str) -> bytes:
    return (tree / "package" / "__pycache__" / f"module.{tag}.pyc").read_bytes()


def test_pyodide_compiles_for_lambdas_python(tree):
    magic = compiler(AWS.python, "pyodide").compile([tree], AWS.python)
    assert magic == MAGIC_OF_3_13
    assert code_of(tree, "cpython-313")[:4] == MAGIC_OF_3_13.to_bytes(2, "little") + b"\r\n"


def test_a_python_on_the_machine_compiles_for_itself(tree):
    magic = compiler(LOCAL.python, "native").compile([tree], LOCAL.python)
    code = code_of(tree, sys.implementation.cache_tag)
    assert code[:4] == magic.to_bytes(2, "little") + b"\r\n" == importlib.util.MAGIC_NUMBER


def test_tracebacks_show_where_lambda_mounts_the_layer(tree):
    compiler(LOCAL.python, "native").compile([tree], LOCAL.python)
    code = marshal.loads(code_of(tree, sys.implementation.cache_tag)[16:])
    assert code.co_filename == "/opt/python/package/module.py"


def test_the_callers_python_settings_do_not_matter(tree, monkeypatch):
    outcomes = set()
    for seed in "1", "2":
        monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        compiler(LOCAL.python, "native").compile([tree], LOCAL.python)
        outcomes.add(code_of(tree, sys.implementation.cache_tag))
    assert len(outcomes) == 1


def test_a_name_on_path_that_does_not_start_a_python_is_passed_over(tmp_path, monkeypatch):
    shim = tmp_path / "python3.99"
    shim.write_text("#!/bin/sh\necho 'python3.99: command not found' >&2; exit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(natives("3.99")) == []
    with pytest.raises(LayerBuildFailed, match=r"no Python 3\.99 .* put python3\.99 on PATH"):
        compiler("3.99", "native")


def test_byte_code_of_another_python_is_refused(tree):
    with pytest.raises(LayerBuildFailed, match=r"compiles for .*, the layer needs cpython-399"):
        compiler(LOCAL.python, "native").compile([tree], "3.99")


@pytest.mark.parametrize(("choice", "python"), [("native", LOCAL.python), ("pyodide", AWS.python)])
def test_source_that_does_not_compile_is_named(tree, choice, python):
    (tree / "package" / "broken.py").write_text("def f(:\n")
    with pytest.raises(LayerBuildFailed, match=r"broken\.py"):
        compiler(python, choice).compile([tree], python)
