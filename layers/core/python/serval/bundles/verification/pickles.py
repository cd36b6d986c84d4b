"""Recognise pickles by their opcodes, and list what they import."""

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
"""Types in TorchScript's pickles, which its own reader makes without importing anything."""


class NotAPickle(Exception):
    """The bytes are not a whole pickle."""


def is_pickle(head: bytes) -> bool:
    """Recognise a pickle by its beginning.

    Protocol 2 and later have a header. Older pickles are text: valid opcodes from beginning to
    end, some of which import something.
    """
    if head[:1] == b"\x80":
        return len(head) > 2 and head[1] in PROTOCOLS and head[2] in OPCODES
    try:
        return bool(imports_of(head))
    except NotAPickle:
        return False


def imports_of(data: bytes) -> list[str]:
    """List what a whole pickle imports, as ``module name``, or ``?`` for a computed name.

    Raises
    ------
    NotAPickle
        If the bytes are not a whole pickle.
    """
    with refusing(NotAPickle):
        pickletools.dis(data, io.StringIO())
        return [
            str(argument) if argument is not None else "?"
            for opcode, argument, _ in pickletools.genops(data)
            if opcode.name in IMPORTS
        ]


def is_harmless(data: bytes) -> bool:
    """Whether a pickle imports only what TorchScript's pickles may."""
    try:
        return all(HARMLESS.fullmatch(name) for name in imports_of(data))
    except NotAPickle:
        return False
