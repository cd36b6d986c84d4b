"""The house's own rules: names that say something, files that fit, nothing of one machine."""

import ast
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
SAYS_NOTHING = {
    "utils",
    "util",
    "helpers",
    "helper",
    "common",
    "shared",
    "misc",
    "base",
    "constants",
    "wrappers",
    "lib",
    "types",
}
LINES, TEST_LINES = 300, 400
HANDLER_LINES = 15


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for line in listed.stdout.splitlines() if (path := ROOT / line).is_file()]


def test_no_file_or_folder_has_a_name_that_says_nothing() -> None:
    relative = [path.relative_to(ROOT).with_suffix("").parts for path in tracked()]
    assert [parts for parts in relative if SAYS_NOTHING & set(parts)] == []


def test_source_files_fit() -> None:
    sources = [path for path in tracked() if path.suffix == ".py" and "tests" not in path.parts]
    long = {str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for p in sources}
    assert {name: lines for name, lines in long.items() if lines > LINES} == {}


def test_files_of_tests_and_fakes_fit() -> None:
    sources = [path for path in tracked() if path.suffix == ".py" and "tests" in path.parts]
    long = {str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for p in sources}
    assert {name: lines for name, lines in long.items() if lines > TEST_LINES} == {}


def test_the_page_of_fakes_names_each() -> None:
    page = (ROOT / "tests/fakes/README.md").read_text()
    names = {path.name for path in (ROOT / "tests/fakes").glob("*.py")} - {"__init__.py"}
    assert names == set(re.findall(r"`(\w+\.py)`", page))


def test_handlers_wire_and_forward() -> None:
    for handler in ROOT.glob("functions/*/handler.py"):
        source = handler.read_text()
        assert sum(bool(line.strip()) for line in source.splitlines()) <= HANDLER_LINES, handler
        assert not any(isinstance(node, ast.If) for node in ast.walk(ast.parse(source))), handler


def test_locks_and_docs_name_no_index_and_no_machine() -> None:
    offending = re.compile(
        r"(https?://[^\s\"']*(pypi|pythonhosted|npmjs)|index-url|/root/|/home/\w+/|/work/)"
    )
    checked = [path for path in tracked() if path.suffix in {".md", ".txt", ".json", ".toml"}]
    assert [str(p) for p in checked if offending.search(p.read_text(errors="replace"))] == []


def names(listed: list[str]) -> set[str]:
    return {name for line in listed for name in line.split()}


def test_every_make_target_says_what_it_does() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.findall(r"^\.PHONY: (.+)", makefile, re.M)
    documented = re.findall(r"^([a-z -]+):.*## ", makefile, re.M)
    assert names(phony) == names(documented)
