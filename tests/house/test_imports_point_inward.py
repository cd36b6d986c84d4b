"""Dependencies point inward: the pure library knows nothing of AWS, CDK or the CLI."""

import ast
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[2] / "layers" / "core" / "python" / "serval"
EDGES = {"aws", "bootstrap", "http", "telemetry.py"}
AT_THE_EDGE_ONLY = {"boto3", "botocore", "mypy_boto3_s3"}
NOWHERE = {"aws_cdk", "constructs", "serval_cli", "stacks"}
MODULES = sorted(LIBRARY.rglob("*.py"))


def imported(module: Path) -> set[str]:
    """Name the top-level packages that a module imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(LIBRARY)))
def test_a_module_imports_inward_only(module: Path):
    forbidden = set(NOWHERE)
    if module.relative_to(LIBRARY).parts[0] not in EDGES:
        forbidden |= AT_THE_EDGE_ONLY
    assert not imported(module) & forbidden


def test_there_are_modules_to_look_at():
    assert len(MODULES) > 20
    assert "boto3" in imported(LIBRARY / "bootstrap" / "rollouts" / "register.py")
