"""Names in the library, the stacks and the CLI have one meaning each, and folders stay small."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "layers" / "core" / "python" / "serval"
ROOTS = (LIBRARY, ROOT / "stacks", ROOT / "cli" / "serval_cli", ROOT / "functions")
MODULES_A_FOLDER = 20
IRREGULAR = frozenset(
    [
        "begun",
        "broken",
        "built",
        "chosen",
        "done",
        "drawn",
        "fed",
        "found",
        "given",
        "gone",
        "held",
        "kept",
        "known",
        "lost",
        "made",
        "said",
        "sent",
        "shown",
        "sought",
        "spoken",
        "sold",
        "taken",
        "thought",
        "told",
        "woken",
        "written",
    ]
)
VERBS = frozenset(
    {"embed", "exceed", "feed", "need", "proceed", "seed", "shed", "speed", "succeed"}
)
"""They end like a participle, but are none."""
FILLER = re.compile(r"(Give|Say|Tell)\b")


def sources(root: Path) -> Iterator[tuple[Path, ast.Module]]:
    """Yield the modules below a folder, parsed."""
    for path in sorted(root.rglob("*.py")):
        yield path, ast.parse(path.read_text())


def test_no_two_classes_of_the_library_share_a_name():
    classes = Counter(
        node.name
        for _, module in sources(LIBRARY)
        for node in module.body
        if isinstance(node, ast.ClassDef)
    )
    assert [name for name, times in classes.items() if times > 1] == []


@pytest.mark.parametrize("root", ROOTS, ids=lambda root: root.name)
def test_no_function_is_a_bare_participle(root: Path):
    bare = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path, module in sources(root)
        for node in ast.walk(module)
        if isinstance(node, ast.FunctionDef) and is_participle(node.name.strip("_"))
        if not is_property(node)
    ]
    assert bare == []


def is_participle(name: str) -> bool:
    """Whether a name is one word, and a participle as far as its letters tell."""
    return (name.endswith("ed") and name.isalpha() and name not in VERBS) or name in IRREGULAR


def is_property(node: ast.FunctionDef) -> bool:
    """Whether a function is read like an attribute; a state may be a participle."""
    return any(ast.unparse(decorator).endswith("property") for decorator in node.decorator_list)


@pytest.mark.parametrize("root", ROOTS, ids=lambda root: root.name)
def test_docstrings_begin_with_what_is_done(root: Path):
    given = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, module in sources(root)
        for node in ast.walk(module)
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        if FILLER.match(ast.get_docstring(node) or "")
    ]
    assert given == []


@pytest.mark.parametrize("root", ROOTS[:3], ids=lambda root: root.name)
def test_a_folder_can_be_looked_over(root: Path):
    counts = Counter(path.parent for path in root.rglob("*.py") if path.name != "__init__.py")
    large = {str(folder.relative_to(ROOT)): n for folder, n in counts.items()}
    assert {name: n for name, n in large.items() if n > MODULES_A_FOLDER} == {}
