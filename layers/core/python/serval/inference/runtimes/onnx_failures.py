"""Failures of ONNX Runtime: whose fault they are, and a message for the caller.

A run that fails in a node's arithmetic fails on account of its inputs: a category that the graph
does not know, a text that is longer than the table of positions, an image of another size. The
same graph has answered its golden requests. What a node says about memory or the accelerator is
no such thing, nor is whatever fails outside of a node.
"""

import re

NODE = re.compile(
    r"Non-zero status code returned while running (?P<operator>\S+) node\. "
    r"Name:'(?P<node>[^']*)' Status Message: (?P<says>.*)",
    re.DOTALL,
)
MACHINE = re.compile(r"allocat|out of memory|bad_alloc|\bcuda|cudnn|cublas|cufft", re.IGNORECASE)
PREFIX = re.compile(r"^\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : ")
CONDITION = re.compile(r"^.* was false\. (?=\S)", re.DOTALL)
SIGNATURE = re.compile(
    r"(?:^|(?<=\s))\S+\.(?:cc|h|cpp|hpp|cu|cuh):\d+ "
    r"(?:[^()]*\([^()]*\)(?:::\S+)?(?: const)? |\w+ )?"
)
"""The place in ONNX Runtime's source, and the function, where a check failed."""


def simplify(message: str) -> str:
    """Remove places in ONNX Runtime's source from one of its messages.

    Examples
    --------
    >>> simplify(
    ...     "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running Add node. "
    ...     "Name:'sum' Status Message: /src/ops.h:583 void ort::Append(long, long) "
    ...     "axis == 1 was false. Attempting to broadcast 64 by 100"
    ... )
    "its operator Add (node 'sum') says: Attempting to broadcast 64 by 100"
    """
    found = NODE.search(message)
    if found is None:
        return _strip_source(PREFIX.sub("", message))
    node = f" (node {found['node']!r})" if found["node"] else ""
    return f"its operator {found['operator']}{node} says: {_strip_source(found['says'])}"


def blames_inputs(message: str) -> bool:
    """Return whether a failed run would have succeeded with other inputs."""
    found = NODE.search(message)
    return found is not None and MACHINE.search(found["says"]) is None


def _strip_source(says: str) -> str:
    return " ".join(SIGNATURE.sub("", CONDITION.sub("", says)).split())
