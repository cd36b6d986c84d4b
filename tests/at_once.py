"""Which tests run on one worker, one after another: those of a file, of a stage, or of ``stacks``.

Stages come first: they take minutes, and spend most of them waiting for what the clock decides.
Two stages share the tests: another one would cost two minutes of a core, to start and to publish
its models.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

STAGES: Mapping[str, Sequence[str]] = {
    "fleets": (
        "rollouts",
        "rollout_commands",
        "permissions",
        "platform_messages",
        "upload_events",
        "fleets_sagemaker",
        "worker_permissions",
        "client",
        "real_clients",
        "fleet_clients",
        "fleets",
        "fleet_failures",
        "reclaims",
        "durable_pipelines",
        "durable_under_fire",
        "fleets_under_fire",
        "handlers",
    ),
    "light": (
        "batch",
        "cli",
        "openapi",
        "pipelines",
        "platform",
        "realtime",
        "light_requests",
        "tasks",
        "fleet_scaling",
        "fleet_words",
        "split_canary",
        "task_commands",
    ),
}
"""The files of ``tests/local`` whose tests share a stage, by what it is busy with."""
GROUPS = {f"tests/local/test_{name}.py": stage for stage, names in STAGES.items() for name in names}
ALONE = ("tests/stacks/test_checkov.py", "tests/stacks/test_limits.py")
"""Of the tests of stacks: they take as long as all others, and share no synthesis with them."""
FIRST = (*STAGES, "tests/docs", "tests/stacks")
ROOT = Path(__file__).parents[1]


def group(nodeid: str) -> str:
    """Name what a test shares a worker with."""
    file = nodeid.partition("::")[0]
    if file in ALONE:
        return file
    folder = "/".join(file.split("/")[:2])
    return GROUPS.get(file) or (folder if folder in FIRST else file)


def by_group(items: list[pytest.Item]) -> None:
    """Order tests by what they share a worker with, the longest first."""
    ranks = {name: rank for rank, name in enumerate(FIRST)}
    items.sort(key=lambda item: ranks.get(group(item.nodeid), len(ranks)))


def workers(arguments: Sequence[str]) -> int:
    """Count the workers for what pytest is asked to run: one for each stage, and for each core."""
    asked = [(ROOT / argument.partition("::")[0]).resolve() for argument in arguments]
    folders = [ROOT / "tests" / "docs", *[ROOT / "tests" / "local"] * len(STAGES)]
    busy = [folder for folder in folders if any(folder.is_relative_to(each) for each in asked)]
    cores = (os.cpu_count() or 1) if any(each not in folders for each in asked) else 0
    return cores + len(busy)


class Groups(LoadScopeScheduling):  # type: ignore[misc]
    """Hands groups of tests to workers, in order."""

    def __init__(self, config: pytest.Config, log: object = None) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)
