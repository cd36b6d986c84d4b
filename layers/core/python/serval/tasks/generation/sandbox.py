"""The sandbox of Jinja templates that come with models: as transformers has it, and bounded.

Imported for a model with a chat template alone.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from types import FrameType
from typing import Any

from jinja2 import Template, TemplateError, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

COMPILED = "<template>"
"""The file name of a compiled template's code."""
MOST_STEPS = 300_000
"""Lines of a template's code that run for one chat: a second or two; long chats take thousands."""
MOST_CHARACTERS = 500_000
"""Of a rendered chat, and of what a template makes by multiplication."""
MOST_POWER = 1_000
Trace = Callable[[FrameType, str, Any], Any]


class TemplateRefuses(TemplateError):
    """The template itself refuses the messages, by its ``raise_exception``."""


class TemplateOverLimit(TemplateError):
    """The template takes too long, or makes too much."""


class GenerationTag(Extension):
    """``{% generation %}`` … ``{% endgeneration %}``, which marks what to train on."""

    tags = {"generation"}  # noqa: RUF012 -- as its base class has it

    def parse(self, parser: Parser) -> nodes.Node:
        """Read the block."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body).set_lineno(line)


class PublicNamespace(Namespace):
    """A template's ``namespace()``, without names that begin with an underscore."""

    def __setitem__(self, name: str, value: Any) -> None:
        check_public(name)
        super().__setitem__(name, value)


def make_namespace(*given: Any, **named: Any) -> PublicNamespace:
    """Make a template's ``namespace()``."""
    attributes = dict(*given, **named)
    for name in attributes:
        check_public(name)
    return PublicNamespace(attributes)


def check_public(name: str) -> None:
    """Refuse a name that Python keeps for itself."""
    if str(name).startswith("_"):
        raise SecurityError(f"a namespace has no attribute {name!r}")


class TemplateSandbox(ImmutableSandboxedEnvironment):
    """Compiles and renders templates that may be anybody's."""

    intercepted_binops = frozenset({"*", "**"})

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True, lstrip_blocks=True, extensions=[GenerationTag, loopcontrols]
        )
        self.filters["tojson"] = write_json
        del self.globals["lipsum"]
        self.globals |= {
            "namespace": make_namespace,
            "raise_exception": refuse,
            "strftime_now": strftime_now,
        }

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Multiply, within limits."""
        if operator == "**" and not (abs(left) <= MOST_POWER and abs(right) <= MOST_POWER):
            raise TemplateOverLimit(f"a power of numbers over {MOST_POWER}")
        for one, times in ((left, right), (right, left)):
            if hasattr(one, "__len__") and len(one) * times > MOST_CHARACTERS:
                raise TemplateOverLimit(f"something of over {MOST_CHARACTERS} characters")
        return super().call_binop(context, operator, left, right)


def render(template: Template, variables: Mapping[str, Any]) -> str:
    """Render a template of the sandbox.

    Raises
    ------
    TemplateRefuses
        If it refuses its variables.
    TemplateOverLimit
        If it takes over 300,000 steps, or makes over half a million characters.
    Exception
        Of any kind, since it is somebody's program.
    """
    pieces, size = [], 0
    with counted_steps():
        for piece in template.generate(variables):
            pieces.append(piece)
            size += len(piece)
            if size > MOST_CHARACTERS:
                raise TemplateOverLimit(f"a prompt of over {MOST_CHARACTERS} characters")
    return "".join(pieces)


@contextmanager
def counted_steps() -> Iterator[None]:
    """Count the lines of templates that run in this thread, and end those that run too long."""
    steps = 0

    def count(frame: FrameType, event: str, _: Any) -> Trace | None:
        nonlocal steps
        if frame.f_code.co_filename != COMPILED:
            return None
        steps += 1
        if steps > MOST_STEPS:
            raise TemplateOverLimit(f"over {MOST_STEPS} steps")
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        yield
    finally:
        sys.settrace(before)


def refuse(message: str) -> None:
    """Refuse what a template was given: its ``raise_exception``."""
    raise TemplateRefuses(message)


def strftime_now(layout: str) -> str:
    """Write the time of this machine."""
    return datetime.now().strftime(layout)


def write_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Write JSON without HTML's escapes: a template's ``tojson``."""
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )
