"""Support limits of states that are paths; the emulator knows only fixed ones."""

from collections.abc import Mapping
from typing import Any

from serval_cli.local.launcher.emulator import Emulator

NAMES = (
    "stepfunctions/_execute_task",
    "stepfunctions/_resolve_path_or_ctx",
    "stepfunctions/_run_distributed_map",
)
TIMEOUT = "TimeoutSeconds"
LIMITS = ("MaxConcurrency", "ToleratedFailureCount", "ToleratedFailurePercentage")


def apply(emulator: Emulator) -> None:
    """Resolve ``MaxConcurrencyPath``, ``TimeoutSecondsPath`` and so on into fixed limits."""
    stepfunctions = emulator.stepfunctions
    run, find = stepfunctions._run_distributed_map, stepfunctions._resolve_path_or_ctx
    execute = stepfunctions._execute_task

    def execute_limited(state: Mapping[str, Any], given: Any, execution: Any, ctx: Any) -> Any:
        if f"{TIMEOUT}Path" in state:
            state = {**state, TIMEOUT: find(state[f"{TIMEOUT}Path"], given, ctx)}
        return execute(state, given, execution, ctx)

    def run_limited(
        state: Mapping[str, Any],
        given: Any,
        effective: Any,
        iterator: Any,
        execution: Any,
        ctx: Any,
    ) -> Any:
        found = {
            limit: find(state[f"{limit}Path"], effective, ctx)
            for limit in LIMITS
            if f"{limit}Path" in state
        }
        return run({**state, **found}, given, effective, iterator, execution, ctx)

    stepfunctions._execute_task = execute_limited
    stepfunctions._run_distributed_map = run_limited
