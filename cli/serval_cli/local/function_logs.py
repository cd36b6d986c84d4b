"""Read the log of a function from CloudWatch Logs, or of a process that stands for a machine."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from serval_cli.failures import CommandFailed
from serval_cli.local.aws_client import CONFIG, create_session
from serval_cli.local.machine_logs import file_lines, machine_logs
from serval_cli.local.state_folder import Record, StateFolder

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

POLL_SECONDS = 0.5


class UnknownFunction(CommandFailed):
    """Nothing in the stage logs under this name."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(f"function {name!r}: the stage has {', '.join(known)}")


def stage_lines(
    folder: StateFolder, record: Record, name: str, *, follow: bool
) -> Iterator[Mapping[str, Any]]:
    """Yield the log lines of a function, a fleet's worker, its server or an endpoint."""
    machines = machine_logs(folder)
    if name in machines:
        return file_lines(machines[name], follow=follow)
    if name in record.functions:
        return function_lines(record, name, follow=follow)
    raise UnknownFunction(name, [*sorted(record.functions), *machines])


def log_group(record: Record, function: str) -> str:
    """Find the log group of a function by its short name, such as ``infer``."""
    client = create_session().client("lambda", endpoint_url=record.endpoint, config=CONFIG)
    name = record.functions[function]
    configuration = client.get_function_configuration(FunctionName=name)
    return configuration["LoggingConfig"].get("LogGroup", f"/aws/lambda/{name}")


def function_lines(
    record: Record, function: str, *, follow: bool, again: Callable[[float], None] = time.sleep
) -> Iterator[dict[str, Any]]:
    """Yield a function's log lines in order, endlessly with ``follow``.

    Returns
    -------
    Iterator[dict[str, Any]]
        ``timestamp`` (ms since the epoch) and ``message`` of each.
    """
    client = create_session().client("logs", endpoint_url=record.endpoint, config=CONFIG)
    group = log_group(record, function)
    start, shown = 0, 0
    while True:
        # The last millisecond is read again, as lines may have been added to it.
        events = list(lines_since(client, group, start))
        new = events[shown:]
        yield from new
        if new:
            start = new[-1]["timestamp"]
            shown = sum(event["timestamp"] == start for event in events)
        elif follow:
            again(POLL_SECONDS)
        else:
            # One answer is not the end: the emulator returns at most 10,000 lines at a time.
            return


def lines_since(client: "CloudWatchLogsClient", group: str, start: int) -> Iterator[dict[str, Any]]:
    """Yield a log group's lines from a time on, or none if it does not exist."""
    try:
        pages = client.get_paginator("filter_log_events").paginate(
            logGroupName=group, startTime=start
        )
        for page in pages:
            for event in page["events"]:
                yield {"timestamp": event["timestamp"], "message": event["message"]}
    except client.exceptions.ResourceNotFoundException:
        return
