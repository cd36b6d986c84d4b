"""Pickles, known by their opcodes, and what they would import."""

import io
import pickletools
import re

from serval.foreign import refusing

PROTOCOLS = range(2, 6)
OPCODES = frozenset(ord(opcode.code) for opcode in pickletools.opcodes)
IMPORTS = frozenset({"GLOBAL", "INST", "STACK_GLOBAL"})
HARMLESS = re.compile(
    r"__torch__[\w.]* \w+|torch\.jit\._pickle \w+|collections OrderedDict"
    r"|torch \w+Storage|torch\._utils _rebuild_(tensor_v2|qtensor|parameter)"
)
"""What pickles in TorchScript name: types that its own reader makes, which imports nothing."""


class NoPickle(Exception):
    """The bytes are no pickle from begin to end."""


def is_pickle(head: bytes) -> bool:
    """Tell a pickle by how it begins.

    Those of protocol 2 and later say so; the older ones are text, and are told by being opcodes
    from begin to end, some of which import.
    """
    if head[:1] == b"\x80":
        return len(head) > 2 and head[1] in PROTOCOLS and head[2] in OPCODES
    try:
        return bool(imported(head))
    except NoPickle:
        return False


def imported(data: bytes) -> list[str]:
    """List what a whole pickle imports, as ``module name``; one whose name it makes is ``?``.

    Raises
    ------
    NoPickle
        If it is none.
    """
    with refusing(NoPickle):
        pickletools.dis(data, io.StringIO())
        return [
            str(argument) if argument is not None else "?"
            for opcode, argument, _ in pickletools.genops(data)
            if opcode.name in IMPORTS
        ]


def harmless(data: bytes) -> bool:
    """Tell whether a pickle imports nothing but what TorchScript's pickles name."""
    try:
        return all(HARMLESS.fullmatch(name) for name in imported(data))
    except NoPickle:
        return False
