"""Check a handler without running it: its file parses, and has what its convention calls.

What it does is its owner's affair: nothing in it is forbidden.
"""

import ast
from collections.abc import Collection, Iterator

from serval.bundles.bundle import Bundle
from serval.bundles.handlers import lock_reasons
from serval.bundles.verification.readable import ReadableFolder
from serval.foreign import refusing
from serval.handlers.conventions import (
    HUGGING_FACE_CLASS,
    SAGEMAKER_FUNCTIONS,
    HandlerFile,
    handler_at,
)

REQUIRED = ("model_fn", "predict_fn", "transform_fn")
"""Of SageMaker's functions: without all of these there is nothing to run."""
MOST_SOURCE_BYTES = 2**20


class SourceRefused(Exception):
    """A file is not Python; the message names the line."""


def handler_reasons(folder: ReadableFolder, bundle: Bundle, paths: Collection[str]) -> list[str]:
    """List the reasons why a handler in ``folder`` could not run."""
    file = handler_at(bundle.artifact)
    return [*source_reasons(folder, file), *package_reasons(folder, file, paths)]


def package_reasons(folder: ReadableFolder, file: HandlerFile, paths: Collection[str]) -> list[str]:
    """List the reasons why a handler's packages are not pinned."""
    requirements, lock = (
        (folder / path).read_bytes() if path in paths else None
        for path in (file.requirements, file.lock)
    )
    return lock_reasons(file, requirements, lock)


def source_reasons(folder: ReadableFolder, file: HandlerFile) -> list[str]:
    """List what is wrong with the handler's own file."""
    try:
        module = parse_source(folder, file.path)
    except SourceRefused as refused:
        return [str(refused)]
    names = dict(_names(module))
    if "*" in names:
        # It may bring anything: loading the handler will tell.
        return []
    if file.convention == "hugging-face":
        return _class_reasons(file, names)
    if not names.keys() & set(REQUIRED):
        return [
            f"{file.path}: none of {', '.join(SAGEMAKER_FUNCTIONS)} is there: predict_fn(data, "
            "model) expected, or a model_fn(model_dir) whose model has predict"
        ]
    return []


def parse_source(folder: ReadableFolder, path: str) -> ast.Module:
    """Parse a file.

    Raises
    ------
    SourceRefused
        If it is not Python, with the line.
    """
    source = (folder / path).read_bytes()
    if len(source) > MOST_SOURCE_BYTES:
        raise SourceRefused(f"{path}: {len(source)} bytes, at most {MOST_SOURCE_BYTES} allowed")
    with refusing(lambda said: SourceRefused(f"{path} is not Python: {said}")):
        try:
            return ast.parse(source, path)
        except SyntaxError as error:
            mistake = error
    where = f"{path} line {mistake.lineno}" if mistake.lineno else f"{path} is not Python"
    raise SourceRefused(f"{where}: {mistake.msg}") from mistake


def _class_reasons(file: HandlerFile, names: dict[str, ast.stmt]) -> list[str]:
    found = names.get(HUGGING_FACE_CLASS)
    if found is None:
        return [
            f"{file.path}: class {HUGGING_FACE_CLASS} is missing, with __init__(self, path='') and "
            "__call__(self, data)"
        ]
    if not isinstance(found, ast.ClassDef) or found.bases:
        return []
    own = dict(_names(found))
    if "__call__" in own:
        return []
    return [
        f"{file.path} line {found.lineno}: class {HUGGING_FACE_CLASS} has no __call__(self, data)"
    ]


def _names(scope: ast.Module | ast.ClassDef) -> Iterator[tuple[str, ast.stmt]]:
    """Yield the names that a module or a class binds, wherever in it but in inner scopes."""
    waiting: list[ast.AST] = list(scope.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node
        elif isinstance(node, ast.ImportFrom | ast.Import):
            yield from ((alias.asname or alias.name, node) for alias in node.names)
        elif isinstance(node, ast.Assign):
            yield from ((name, node) for name in _targets(node))
        else:
            blocks = ast.stmt | ast.ExceptHandler | ast.match_case
            waiting += (one for one in ast.iter_child_nodes(node) if isinstance(one, blocks))


def _targets(node: ast.Assign) -> Iterator[str]:
    for target in node.targets:
        yield from (one.id for one in ast.walk(target) if isinstance(one, ast.Name))
