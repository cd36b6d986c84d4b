"""``serval invoke``: a function, with an event from a file."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from serval_cli import views
from serval_cli.failures import CommandFailed
from serval_cli.json_files import read_json
from serval_cli.options import JsonOption, StageOption, new_app
from serval_cli.output import show
from serval_cli.stages import find_stage

LONGEST_RUN_SECONDS = 900

app = new_app()


@app.command()
def invoke(
    function: Annotated[
        str, typer.Argument(metavar="FUNCTION", help="As 'infer', 'describe' or 'verify'.")
    ],
    event: Annotated[
        Path, typer.Argument(metavar="EVENT", help="File with the event; '-' is standard input.")
    ],
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Invoke a function with an event from a file.

    Shows its answer and the end of its log. Real events of every trigger are in events/. Exit
    code 1 if the function fails.
    """
    payload = read_json(event)
    found = find_stage(stage)
    functions = found.functions
    if function not in functions:
        raise CommandFailed(
            f"stage {found.name!r} has no function {function!r}: "
            f"it has {', '.join(sorted(functions))}"
        )
    # An invocation that is repeated unasked would run the function twice.
    client = found.client(
        "lambda", read_timeout=LONGEST_RUN_SECONDS + 10, retries={"total_max_attempts": 1}
    )
    answer = client.invoke(
        FunctionName=functions[function], Payload=json.dumps(payload).encode(), LogType="Tail"
    )
    result = invocation(function, answer)
    show(result, views.invocation, as_json=as_json)
    if result["error"]:
        raise typer.Exit(1)


def invocation(function: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    """Describe how an invocation ended."""
    text = answer["Payload"].read()
    return {
        "function": function,
        "error": answer.get("FunctionError"),
        "response": json.loads(text) if text else None,
        "log": base64.b64decode(answer.get("LogResult") or "").decode(errors="replace"),
    }
