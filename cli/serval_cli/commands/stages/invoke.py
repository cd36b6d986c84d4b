"""``serval invoke``: invoke a function with an event from a file."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from serval_cli.failures import CommandFailed
from serval_cli.json_files import read_json
from serval_cli.options import ApiKeyOption, JsonOption, StageOption, new_app
from serval_cli.output import show
from serval_cli.stages.stage import find_stage
from serval_cli.views import models as views

LONGEST_RUN_SECONDS = 900
EXAMPLE_KEY = "srv_c2VydmFsLWV4YW1wbGUta2V5LW9mLTI1Ni1iaXRzLS0"
"""The key in the events of ``events/``, replaced by the caller's own; it is valid nowhere."""

app = new_app()


@app.command()
def invoke(
    function: Annotated[
        str, typer.Argument(metavar="FUNCTION", help="As 'infer', 'describe' or 'verify'.")
    ],
    event: Annotated[
        Path, typer.Argument(metavar="EVENT", help="File with the event; '-' is standard input.")
    ],
    api_key: ApiKeyOption = None,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Invoke a function with an event from a file.

    Shows its answer and the end of its log. Real events of every trigger are in events/; the API
    key in place of their example key is yours. Exit code 1 if the function fails.
    """
    payload = json.dumps(read_json(event))
    found = find_stage(stage, writes=True)
    functions = found.functions
    if function not in functions:
        raise CommandFailed(
            f"stage {found.name!r} has no function {function!r}: "
            f"it has {', '.join(sorted(functions))}"
        )
    if EXAMPLE_KEY in payload:
        payload = payload.replace(EXAMPLE_KEY, found.api_key(api_key))
    # A retry by the SDK would run the function twice.
    client = found.client(
        "lambda", read_timeout=LONGEST_RUN_SECONDS + 10, retries={"total_max_attempts": 1}
    )
    answer = client.invoke(
        FunctionName=functions[function], Payload=payload.encode(), LogType="Tail"
    )
    result = describe_invocation(function, answer)
    show(result, views.invocation, as_json=as_json)
    if result["error"]:
        raise typer.Exit(1)


def describe_invocation(function: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    """Describe how an invocation ended."""
    text = answer["Payload"].read()
    return {
        "function": function,
        "error": answer.get("FunctionError"),
        "response": json.loads(text) if text else None,
        "log": base64.b64decode(answer.get("LogResult") or "").decode(errors="replace"),
    }
