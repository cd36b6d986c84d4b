"""No module that is imported on the way into the arm64 layers was left out of them.

The laptop cannot run those layers, and its own numpy may be another one; so the import statements
at the top level, those that may fail aside, are followed through the source files.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from layers.dependencies.declarations import AWS, LAYERS
from layers.dependencies.trimming import matcher

pytestmark = pytest.mark.slow

ENTRIES = {
    "inference": ["numpy", "onnxruntime", "orjson", "simdjson"],
    "control": ["pydantic", "yaml", "orjson"],
    "sdk": ["boto3", "boto3.dynamodb.types", "botocore.config", "botocore.exceptions"],
    "verification": ["onnx", "onnx.checker", "onnx.helper", "onnx.shape_inference"],
    # Of zstandard the backend that CPython chooses; PyPy's is left out.
    "batch": ["polars", "zstandard.backend_c"],
}


# Of other Pythons: pydantic asks for 3.14's annotationlib first, six knows Python 2's StringIO.
FROM_PYTHON = {*sys.stdlib_module_names, "annotationlib", "StringIO"}
OPTIONAL = {"awscrt", "js", "pyodide", "six"}
"""Imported where something says that they are there (``six.moves`` is made while it runs)."""
LEFT_OUT = {layer.name: matcher(layer.left_out) for layer in LAYERS}


@pytest.mark.parametrize("name", ENTRIES)
def test_whatever_is_imported_at_the_top_is_in_the_layer(built, name):
    folder = built(AWS, name)
    queue, seen = list(ENTRIES[name]), set()
    while queue:
        module = queue.pop()
        if module in seen or module.split(".")[0] in FROM_PYTHON | OPTIONAL:
            continue
        seen.add(module)
        places = files(folder, module)
        assert places, f"{module} was left out of layer {name!r}"
        if places[0].suffix == ".py":
            certain, possible = imported(places[0], module)
            queue += [each for each in certain if not made_by_extension(folder, each)]
            queue += [each for each in possible if is_module(folder, each, name)]


def files(folder: Path, module: str) -> list[Path]:
    """Return the files of a module, be it source, an extension, or a namespace's folder."""
    path = folder / module.replace(".", "/")
    places = [path / "__init__.py", path.with_suffix(".py"), *path.parent.glob(f"{path.name}.*.so")]
    return [place for place in [*places, path] if place.exists()]


def made_by_extension(folder: Path, module: str) -> bool:
    """Tell whether an extension makes the module, which then has no file."""
    parent = module.rpartition(".")[0]
    return parent != "" and any(place.suffix == ".so" for place in files(folder, parent))


def is_module(folder: Path, module: str, layer: str) -> bool:
    """Tell whether a name imported from a package was, in the wheel, a module of its own."""
    path = module.replace(".", "/")
    left_out = LEFT_OUT[layer](f"{path}.py") or LEFT_OUT[layer](f"{path}/__init__.py")
    return bool(left_out) or bool(files(folder, module))


def imported(file: Path, module: str) -> tuple[list[str], list[str]]:
    """Return what the top of a file imports: surely modules, and names that may be modules."""
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    certain, possible = [], []
    for statement in unconditional(statements(file.read_text())):
        if isinstance(statement, ast.Import):
            certain += [parent for alias in statement.names for parent in with_parents(alias.name)]
        elif isinstance(statement, ast.ImportFrom):
            source = absolute(statement, package)
            certain += with_parents(source)
            possible += [f"{source}.{alias.name}" for alias in statement.names]
    return certain, possible


def statements(source: str) -> list[ast.stmt]:
    """Parse a file; of one in a newer Python's syntax, only the imports that start a line."""
    try:
        return ast.parse(source).body
    except SyntaxError:
        imports = re.findall(r"^(?:import|from) [^(\n]+(?:\([^)]*\))?", source, re.MULTILINE)
        return ast.parse("\n".join(imports)).body


def unconditional(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield statements and those in both branches of an ``if``, but not what only checkers see."""
    for statement in body:
        if isinstance(statement, ast.If):
            for_checkers = "TYPE_CHECKING" in ast.unparse(statement.test)
            yield from unconditional([] if for_checkers else statement.body)
            yield from unconditional(statement.orelse)
        else:
            yield statement


def with_parents(module: str) -> list[str]:
    """Return the module's packages, outermost first, and the module."""
    parts = module.split(".")
    return [".".join(parts[: end + 1]) for end in range(len(parts))]


def absolute(statement: ast.ImportFrom, package: str) -> str:
    """Resolve a relative import."""
    parts = package.split(".")
    kept = parts[: len(parts) - statement.level + 1] if statement.level else []
    return ".".join([*kept, *filter(None, [statement.module])])
