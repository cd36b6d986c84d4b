"""The layers of each function beside ``core``, as the stacks declare them."""

from collections.abc import Mapping

RUNS = ("inference", "tasks")
RUNS_WITH_SDK = ("inference", "sdk", "tasks")
CONTROLS = ("control", "sdk")
SUBMITS = ("inference", "sdk")
READS = ("batch", "inference", "sdk")
FUNCTIONS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("infer", "golden"), RUNS),
    **dict.fromkeys(("stream", "answer", "proceed"), RUNS_WITH_SDK),
    **dict.fromkeys(("describe", "requests", "dispatch", "complete"), CONTROLS),
    **dict.fromkeys(("tick", "sweep", "fallback"), CONTROLS),
    **dict.fromkeys(("register", "claim", "evaluate", "conclude", "finish"), CONTROLS),
    **dict.fromkeys(("submit", "wait", "callback"), SUBMITS),
    **dict.fromkeys(("accept", "plan", "scan", "cut", "assemble", "batch"), READS),
    "shard": ("batch", "inference", "sdk", "tasks"),
    "verify": ("control", "verification"),
    "optimise": ("control", "inference", "sdk"),
}
"""A test of the stacks holds this against the templates."""
