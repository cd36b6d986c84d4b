"""Packages of the library form a ladder: each imports only those below it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[2] / "layers" / "core" / "python" / "serval"
LOOSE = (
    "clock", "short_repr", "suggestion", "errors", "foreign", "settings", "connections", "shutdown",
    "faults", "processes", "step_failures", "yaml_files",
)  # fmt: skip
"""Loose modules, which everyone may use; among themselves they keep to this order, too."""
ORDER = (
    *LOOSE,
    "models", "access", "protocol", "client", "tasks", "inference", "handlers", "pipelines",
    "requests", "fleets", "batch", "bundles", "rollouts", "openapi", "http", "durable", "worker",
    "aws",
    "bootstrap",
)  # fmt: skip
"""From the bottom up."""
MODULES = {
    ".".join(path.relative_to(LIBRARY).with_suffix("").parts): path
    for path in sorted(LIBRARY.rglob("*.py"))
    if path != LIBRARY / "__init__.py"
}


def package(module: str) -> str:
    """Return the package, or the loose module, that a module belongs to."""
    return module.split(".")[0]


def imported(path: Path) -> Iterator[str]:
    """Yield the modules of the library that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "serval":
            module = (node.module or "").removeprefix("serval").removeprefix(".")
            for alias in node.names:
                whole = f"{module}.{alias.name}".removeprefix(".")
                yield whole if whole in MODULES or not module else module
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("serval."):
                    yield alias.name.removeprefix("serval.")


def test_every_package_has_its_place_in_the_order():
    assert {package(module) for module in MODULES} == set(ORDER)


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_imports_only_what_lies_below_its_package(module: str):
    own = ORDER.index(package(module))
    for name in imported(MODULES[module]):
        assert ORDER.index(package(name)) <= own, f"{module} imports {name}, which lies above it"


def test_no_module_imports_itself_by_way_of_others():
    below = {module: set(imported(path)) & MODULES.keys() for module, path in MODULES.items()}
    while free := [module for module, names in below.items() if not names & below.keys()]:
        for module in free:
            del below[module]
    assert not below
