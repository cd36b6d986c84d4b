"""Statuses: every error has exactly one."""

import ast
import inspect
import re

from serval import errors
from serval.errors import ServalError
from serval.http.status import STATUS


def leaves(error: type[ServalError]) -> set[type[ServalError]]:
    below = error.__subclasses__()
    return {leaf for child in below for leaf in leaves(child)} if below else {error}


def test_every_error_has_an_http_status() -> None:
    assert set(STATUS) == leaves(ServalError)


def test_the_tree_in_the_docstring_names_every_error() -> None:
    tree = set(re.findall(r"[├└─│ ]*\b([A-Z]\w+)\b {2,}|[├└]── (\w+)", errors.__doc__ or ""))
    named = {name for pair in tree for name in pair if name} | {"ServalError"}
    defined = {
        node.name
        for node in ast.parse(inspect.getsource(errors)).body
        if isinstance(node, ast.ClassDef)
    }
    assert named == defined
