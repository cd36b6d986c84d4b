"""The map in docs/architecture.md names files and folders that there are, and pages find it."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import OTHER, PAGES, SHELL, blocks

ROOT = Path(__file__).parents[2]
ARCHITECTURE = "docs/architecture.md"
PATHS = sorted(set(re.findall(r"`([\w.-]+(?:/[\w.-]+)+/?)`", (ROOT / ARCHITECTURE).read_text())))
LIBRARY = ROOT / "layers" / "core" / "python"
LINE = 120


@pytest.mark.parametrize("path", PATHS)
def test_a_path_of_the_map_is_in_the_tree(path: str):
    assert any((root / path).exists() for root in (ROOT, LIBRARY, ROOT / "cli"))


def test_the_map_names_paths():
    assert len(PATHS) > 50


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_the_map_is_the_first_page_that_others_link_to(page: str):
    links = re.findall(r"\]\(((?!https?:)[^)#]+\.md)", (ROOT / page).read_text())
    assert links[0] == ARCHITECTURE


@pytest.mark.parametrize(
    "page", [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")], ids=lambda path: path.name
)
def test_lines_of_pages_fit_a_screen(page: Path):
    prose = re.sub(r"^(```|~~~).*?^\1", "", page.read_text(), flags=re.M | re.S)
    long = [line for line in prose.splitlines() if len(line) > LINE and not line.startswith("|")]
    assert [line for line in long if "](http" not in line] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_what_it_is(page: str):
    unnamed = [block for block in blocks(page) if block.language not in OTHER | set(SHELL)]
    assert [f"{block.page}:{block.line}" for block in unnamed] == []
