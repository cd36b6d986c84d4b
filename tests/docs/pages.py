"""Blocks of shell in the pages: which there are, and how one becomes a script."""

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
PAGES = (
    "docs/quickstart.md",
    "README.md",
    "docs/batch.md",
    "docs/fleets.md",
    "docs/schedules.md",
    "docs/tables.md",
    "docs/pipelines.md",
    "docs/rollouts.md",
    "docs/operations.md",
    "docs/client.md",
)
"""Those with blocks of shell."""
SHELL = ("sh", "bash", "console")
OTHER = frozenset({"text", "json", "yaml", "python", "js", "mermaid", "http"})
NOT_RUN, ONCE = "not run:", "once:"
PROMPT = "$ "


@dataclass(frozen=True)
class Block:
    """A fenced block, and what the comment above it says."""

    page: str
    line: int
    language: str
    text: str
    not_run: str = ""
    """Why it cannot run here."""
    once: str = ""
    """A command that has to succeed first, within two minutes."""

    @property
    def commands(self) -> str:
        """What is typed, without prompts and output."""
        return typed(self.text) if self.language == "console" else self.text


def blocks(page: str) -> Iterator[Block]:
    """Yield every fenced block of a page."""
    above: Token | None = None
    for token in MarkdownIt().parse((ROOT / page).read_text()):
        if token.type == "fence":
            line = (token.map or [0])[0] + 1
            remark = comment(above)
            yield Block(
                page,
                line,
                token.info.strip(),
                token.content,
                not_run=said(remark, NOT_RUN),
                once=said(remark, ONCE),
            )
        above = token


def comment(token: Token | None) -> str:
    """Read an HTML comment; nothing if there is none."""
    if token is None or token.type != "html_block":
        return ""
    return token.content.strip().removeprefix("<!--").removesuffix("-->").strip()


def said(remark: str, word: str) -> str:
    return remark.removeprefix(word).strip() if remark.startswith(word) else ""


def typed(transcript: str) -> str:
    """Give the commands of a transcript; one goes on until the shell takes it for whole."""
    commands: list[str] = []
    open_ = False
    for line in transcript.splitlines():
        if line.startswith(PROMPT):
            commands.append(line.removeprefix(PROMPT))
        elif open_:
            commands[-1] += f"\n{line}"
        else:
            continue
        open_ = not is_whole(commands[-1])
    return "\n".join(commands)


def is_whole(command: str) -> bool:
    return subprocess.run(["bash", "-n", "-c", command], capture_output=True).returncode == 0


def script(chosen: Sequence[Block]) -> str:
    """Write a page's blocks as one script, which says where it is."""
    parts = ["set -eo pipefail"]
    for block in chosen:
        if block.not_run:
            continue
        if block.once:
            parts.append(f"for n in $(seq 40); do {block.once} && break || sleep 3; done")
        parts += [f"echo '@ {block.page}, line {block.line}' >&2", block.commands]
    return "\n".join(parts)
