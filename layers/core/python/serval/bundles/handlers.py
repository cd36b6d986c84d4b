"""Bundles with a handler: the runtime that their files choose, and the packages that they pin."""

import hashlib
import re
from collections.abc import Collection, Iterator

from serval.bundles.bundle import MODEL_YAML, Bundle
from serval.handlers.conventions import HANDLER_FILES, HandlerFile, find_handler

MADE_FROM = "# sha256 of requirements.txt: "
"""The first line of a lock, before the digest."""
LOCK = "run `serval lock FOLDER`, which makes it"
PINNED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9,._ -]*\])?==[^\s;]+")


def with_handler(bundle: Bundle, paths: Collection[str]) -> Bundle:
    """Return the bundle as its files complete it: with a handler, that is what executes it.

    Without ``runtime`` in ``model.yaml`` a handler is one only where there is no artifact; with
    ``runtime: {kind: python}`` it always is.
    """
    handler = find_handler(paths)
    if handler is None:
        return bundle
    chosen = bundle.runtime.kind == "python"
    silent = (
        not {"runtime", "artifact", "task"} & bundle.model_fields_set
        and bundle.artifact not in paths
    )
    if not (chosen or silent):
        return bundle
    runtime = bundle.runtime.model_copy(update={"kind": "python"})
    return bundle.model_copy(update={"runtime": runtime, "artifact": handler.path})


def declaration_reasons(bundle: Bundle, paths: Collection[str]) -> list[str]:
    """List what ``model.yaml`` says about a handler that its files contradict."""
    if bundle.runtime.kind == "python":
        if find_handler(paths) is None:
            expected = " or ".join(file.path for file in HANDLER_FILES)
            return [f"{MODEL_YAML}: runtime: kind: 'python' needs {expected} in the bundle"]
        return []
    keys = [key for key in ("env", "secrets") if getattr(bundle, key)]
    return [f"{MODEL_YAML}: {key}: only a handler has an environment" for key in keys]


def write_lock(requirements: bytes, pins: str) -> str:
    """Write a lock: what it was made from, then every package with its hashes."""
    return f"{MADE_FROM}{hashlib.sha256(requirements).hexdigest()}\n{pins}"


def lock_reasons(file: HandlerFile, requirements: bytes | None, lock: bytes | None) -> list[str]:
    """List the reasons why a handler's packages are not pinned."""
    if requirements is None:
        if lock is None:
            return []
        return [f"{file.lock} is there without {file.requirements}: remove it, or bring that back"]
    if lock is None:
        return [f"{file.requirements} has no {file.lock}, which pins its packages: {LOCK}"]
    lines = lock.decode(errors="replace").splitlines()
    if lines[:1] != [MADE_FROM + hashlib.sha256(requirements).hexdigest()]:
        return [f"{file.requirements} has changed since {file.lock} was made: {LOCK} again"]
    return [f"{file.lock} line {number}: {why}" for number, why in _mistakes(lines)]


def _mistakes(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Yield the lines that pin no package by its version and hashes."""
    number = 1
    while number <= len(lines):
        first, text = number, ""
        while number <= len(lines):
            line = lines[number - 1]
            text += line.removesuffix("\\")
            number += 1
            if not line.endswith("\\"):
                break
        text = text.partition(" #")[0].strip()
        if not text or text.startswith("#"):
            continue
        if not PINNED.match(text):
            yield first, f"{text:.80} is not pinned as 'name==version': {LOCK} again"
        elif "--hash=sha256:" not in text:
            yield first, f"{text:.80} has no hash: {LOCK} again"
