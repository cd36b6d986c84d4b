"""Check each task of a state machine against the machine's role."""

from contextvars import ContextVar
from typing import Any

from serval_cli.local.launcher.emulator import Emulator
from serval_cli.local.launcher.iam.authority import Authority, Refused
from serval_cli.local.launcher.iam.tasks import Tasks

NAMES = (
    "iam_actions/extract_resource_arn",
    "stepfunctions/_ExecutionError",
    "stepfunctions/_executions",
    "stepfunctions/_invoke_resource",
    "stepfunctions/_invoke_with_callback",
    "stepfunctions/_run_distributed_map",
    "stepfunctions/_run_execution",
    "stepfunctions/_s3_object_text",
    "stepfunctions/_state_machines",
)
ROLE: ContextVar[str] = ContextVar("role")
"""The role of the current execution; branches and items run in copies of the context."""
MACHINE: ContextVar[str] = ContextVar("machine")
"""The ARN of the state machine, or of the map that runs this child."""


def apply(emulator: Emulator, authority: Authority) -> None:
    """Check tasks, the lists that maps read, and that maps may start children."""
    machines = emulator.stepfunctions
    tasks = Tasks(emulator.iam_actions.extract_resource_arn)
    run, invoke, call_back = (
        machines._run_execution,
        machines._invoke_resource,
        machines._invoke_with_callback,
    )
    run_map, read = machines._run_distributed_map, machines._s3_object_text

    def check(action: str, resource: str, error: str) -> None:
        try:
            authority.check_role(ROLE.get(), action, resource, getattr(resource, "keys", None))
        except Refused as refused:
            raise machines._ExecutionError(error, str(refused)) from None

    def run_as_role(execution: str) -> None:
        machine = machines._executions[execution]["stateMachineArn"]
        MACHINE.set(machine)
        ROLE.set(machines._state_machines[machine]["roleArn"])
        run(execution)

    def invoke_checked(resource: str, given: Any) -> Any:
        check(*tasks.needs(resource, given, ROLE.get()))
        return invoke(resource, given)

    def call_back_checked(resource: str, given: Any, token: str, state: Any) -> Any:
        check(*tasks.needs(resource, given, ROLE.get()))
        authority.tokens.note(token, MACHINE.get())
        return call_back(resource, given, token, state)

    def run_map_checked(
        state: Any, given: Any, effective: Any, iterator: Any, execution: Any, ctx: Any
    ) -> Any:
        machine = execution["stateMachineArn"]
        check("states:StartExecution", machine, "States.Runtime")
        before = MACHINE.set(f"{machine}/{state.get('Label', '')}")
        try:
            return run_map(state, given, effective, iterator, execution, ctx)
        finally:
            MACHINE.reset(before)

    def read_checked(bucket: str, key: str) -> Any:
        check("s3:GetObject", f"arn:aws:s3:::{bucket}/{key}", "States.ItemReaderFailed")
        return read(bucket, key)

    machines._run_execution = run_as_role
    machines._invoke_resource = invoke_checked
    machines._invoke_with_callback = call_back_checked
    machines._run_distributed_map = run_map_checked
    machines._s3_object_text = read_checked
