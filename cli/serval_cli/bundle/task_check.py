"""Check a bundle's task as the golden check will: open it, and ask it the golden requests.

It needs ONNX Runtime, and what the task's own files are read with.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from serval.bundles.bundle import MODEL_YAML, Bundle
from serval.errors import InferenceFailed, InvalidRequest
from serval.foreign import refusing
from serval.inference.runtimes import RuntimeFailed
from serval.rollouts.golden.requests import GoldenRequest, read_golden
from serval.rollouts.golden.task_answers import ask_task
from serval.rollouts.outcomes import first_reasons
from serval.tasks.task import Task
from serval_cli.bundle.golden_sample import NoSample
from serval_cli.bundle.task_golden import open_bundle_task
from serval_cli.failures import CommandFailed
from serval_cli.output import note

MOST_BYTES = 2**30
"""A larger bundle may not fit the memory of a laptop; the stage checks it."""
MOST_SECONDS = 20.0
"""How long golden requests are asked."""


def task_reasons(
    folder: Path,
    bundle: Bundle,
    sizes: Mapping[str, int],
    timer: Callable[[], float] = time.monotonic,
) -> Sequence[str]:
    """Open the task and compare its answers to golden requests; return what is wrong."""
    if sum(sizes.values()) > MOST_BYTES:
        note(f"the bundle has over {MOST_BYTES >> 30} GiB, so the stage alone opens its task")
        return ()
    try:
        task = open_bundle_task(folder, bundle.artifact, task_section(bundle))
    except CommandFailed as problem:
        return [f"{MODEL_YAML} line {line_of_task(folder)}: {problem}"]
    except NoSample as problem:
        note(f"{problem}, so the stage alone opens the task")
        return ()
    if bundle.golden is None:
        return ()
    lines = read_golden(bundle.golden, (folder / bundle.golden).read_bytes())
    asked = [line for line in lines if line.for_task]
    reasons = [
        f"{bundle.golden} line {line.line}: {reason}"
        for line in take_in_time(asked, timer)
        for reason in answer_reasons(task, line, bundle.golden_tolerance)
    ]
    return first_reasons(reasons)


def task_section(bundle: Bundle) -> Mapping[str, Any]:
    """Return the keys of ``task:`` that are given, with the columns of a table."""
    given = bundle.model_dump(mode="json", include={"task", "columns"}, exclude_none=True)
    columns = {"columns": given["columns"]} if given["columns"] else {}
    return {**given["task"], **columns}


def take_in_time(
    lines: Sequence[GoldenRequest], timer: Callable[[], float]
) -> Iterator[GoldenRequest]:
    """Yield golden requests until time is up."""
    end = timer() + MOST_SECONDS
    for number, line in enumerate(lines):
        if number and timer() > end:
            note(f"{number} of {len(lines)} golden requests were asked here; the stage asks all")
            return
        yield line


def answer_reasons(task: Task, line: GoldenRequest, tolerance: float | None) -> Sequence[str]:
    """Ask one golden request; return why its answer is not the expected one."""
    try:
        return ask_task(task, line, tolerance)[1].reasons
    except (InvalidRequest, InferenceFailed, RuntimeFailed) as problem:
        return [str(problem)]


def line_of_task(folder: Path) -> int:
    """Return the number of the line where ``task:`` begins."""
    with refusing(CommandFailed):
        document = yaml.compose((folder / MODEL_YAML).read_bytes(), yaml.SafeLoader)
    keys = [key for key, _ in document.value] if isinstance(document, yaml.MappingNode) else []
    return next((1 + key.start_mark.line for key in keys if key.value == "task"), 1)
