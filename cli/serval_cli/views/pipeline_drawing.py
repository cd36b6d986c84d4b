"""Draw pipelines as SVG: from the inputs on the left to the output on the right.

A node stands in the column after the last of those that it reads, so that every line leads on.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from rich.console import RenderableType
from rich.text import Text

from serval_cli.views.pipelines import OUTPUT, describe_box, measurements

LETTER, LINE, PADDING, GAP, BETWEEN = 7, 18, 12, 24, 72
"""Pixels: of a letter, of a line, within a box, between boxes and between columns."""
LONGEST = 60
"""Characters of a line."""
OUTPUT_NODE = "_output"
"""No step has such a name: they begin with a letter."""
STYLE = (
    "text{font:12px ui-monospace,monospace;fill:#1f2328}rect{fill:#f6f8fa;stroke:#8c959f}"
    "path{fill:none;stroke:#8c959f}.name{font-weight:bold}.dashed{stroke-dasharray:4 4}"
)


@dataclass(frozen=True, slots=True)
class DrawnNode:
    """An input, a step or the output, as a box; lengths in pixels."""

    lines: tuple[str, ...]
    x: int
    y: int
    width: int
    is_step: bool

    @property
    def height(self) -> int:
        """How high it is."""
        return LINE * len(self.lines) + PADDING

    @property
    def middle(self) -> int:
        """Where lines end, from the top."""
        return self.y + self.height // 2


def svg(value: Mapping[str, Any]) -> RenderableType:
    """Render a pipeline as a picture in SVG."""
    return Text("\n".join(svg_lines(value)))


def svg_lines(value: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a picture."""
    nodes = place_nodes(value)
    width = max(node.x + node.width for node in nodes.values()) + GAP
    height = max(node.y + node.height for node in nodes.values()) + GAP
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">'
    )
    yield f"<title>{escape(value['pipeline'])} version {value['version']}</title>"
    yield f"<style>{STYLE}</style>"
    for source, target, is_dashed in edges(value):
        yield draw_edge(nodes[source], nodes[target], is_dashed=is_dashed)
    for node in nodes.values():
        yield from draw_node(node)
    yield "</svg>"


def edges(value: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """Yield what each node reads, and which step stands in for another (dashed)."""
    for step in value["steps"]:
        yield from ((source, step["name"], False) for source in step["reads"])
        if "stands_in" in step:
            yield step["name"], step["stands_in"], True
    yield from ((source, OUTPUT_NODE, False) for source in value["output_reads"])


def place_nodes(value: Mapping[str, Any]) -> dict[str, DrawnNode]:
    """Place the nodes, column by column, each in the order of the file."""
    written: dict[str, tuple[str, ...]] = {
        each["name"]: (each["name"], each["datatype"]) for each in value["inputs"]
    }
    written |= {step["name"]: describe(step) for step in value["steps"]}
    written[OUTPUT_NODE] = (OUTPUT, *measurements(value))
    columns = find_columns(value, list(written))
    steps = {step["name"] for step in value["steps"]}
    nodes, x = dict[str, DrawnNode](), GAP
    for column in range(max(columns.values()) + 1):
        named = [name for name in written if columns[name] == column]
        lines = {name: tuple(map(shorten_line, written[name])) for name in named}
        longest = max((len(line) for name in named for line in lines[name]), default=0)
        width, y = LETTER * longest + 2 * PADDING, GAP
        for name in named:
            nodes[name] = DrawnNode(lines[name], x, y, width, name in steps)
            y += nodes[name].height + GAP
        x += width + BETWEEN
    return nodes


def find_columns(value: Mapping[str, Any], names: list[str]) -> dict[str, int]:
    """Find the column of each node; the output is beyond all others."""
    columns, found = dict.fromkeys(names, 0), list(edges(value))
    for _ in names:  # no path has more nodes
        for source, target, _dashed in found:
            columns[target] = max(columns[target], columns[source] + 1)
    columns[OUTPUT_NODE] = max([0, *(columns[name] for name in names if name != OUTPUT_NODE)]) + 1
    return columns


def describe(step: Mapping[str, Any]) -> tuple[str, ...]:
    """Write what is in the box of a step: its name, what it is, its condition, its figures."""
    what = f"rule {step['rule']}" if "rule" in step else describe_box(step)
    when = [f"when {step['when']}"] if "when" in step else []
    return (step["name"], what, *when, *measurements(step))


def shorten_line(text: str) -> str:
    """Write a text on one line that fits a box."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def draw_edge(source: DrawnNode, target: DrawnNode, *, is_dashed: bool) -> str:
    """Draw a line from the right of one box to the left of another."""
    begin, end = source.x + source.width, target.x
    half = (begin + end) // 2
    curve = (
        f"M{begin} {source.middle}C{half} {source.middle} {half} {target.middle} "
        f"{end} {target.middle}"
    )
    kind = ' class="dashed"' if is_dashed else ""
    return f'<path{kind} d="{curve}"/>'


def draw_node(node: DrawnNode) -> Iterator[str]:
    """Draw a box and its lines; those of steps have corners."""
    radius = 2 if node.is_step else PADDING
    yield (
        f'<rect x="{node.x}" y="{node.y}" width="{node.width}" height="{node.height}" '
        f'rx="{radius}"/>'
    )
    for number, line in enumerate(node.lines):
        kind = ' class="name"' if number == 0 else ""
        y = node.y + LINE * (number + 1)
        yield f'<text{kind} x="{node.x + PADDING}" y="{y}">{escape(line)}</text>'
