"""How commands call a stage's API: with the client that everyone has, and for people."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from serval.client import CallFailed, Client, Missing
from serval.client.inference_request import is_array
from serval.models.storage import MODEL_NAME
from serval.suggestion import did_you_mean
from serval_cli.failures import CommandFailed
from serval_cli.output import waiting
from serval_cli.stages.stage import Stage


def open_client(stage: Stage, api_key: str | None) -> Client:
    """Open a client of a stage, with the key that was given or the local stage's own."""
    try:
        return Client(stage.api_url, stage.api_key(api_key), trust_environment=stage.local is None)
    except ValueError as error:
        raise CommandFailed(str(error)) from None


def check_model_name(name: str) -> None:
    """Raise ``CommandFailed`` for a name that no model can have."""
    if not MODEL_NAME.fullmatch(name):
        raise CommandFailed(f"{name!r} is not a model name: `serval models` lists the models")


@contextmanager
def guessing(client: Client, model: str) -> Iterator[None]:
    """Suggest a similar model name when the model is unknown."""
    try:
        yield
    except Missing as absent:
        try:
            known = client.models()
        except CallFailed:
            raise absent from None
        meant = "" if model in known else did_you_mean(model, known)
        raise CommandFailed(f"{absent}{meant}") from None


def await_response(client: Client, request_id: str, model: str) -> Mapping[str, Any]:
    """Wait until an async request has ended, and return its V2 inference response."""
    with waiting(f"request {request_id} waits (Ctrl-C leaves it; `serval request` has it)") as say:
        for found in client.follow(request_id, model=model):
            say(f"request {request_id} is {found['status']}")
    return client.result(found).document


def readable_response(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a V2 response in the form that plain JSON would have had.

    ``data`` is None for bytes that are not text.
    """
    outputs = [readable_output(output) for output in document.get("outputs", ())]
    return {**document, **({"outputs": outputs} if "outputs" in document else {})}


def readable_output(output: Mapping[str, Any]) -> dict[str, Any]:
    """Return an output whose data are a flat list."""
    if not is_array(output.get("data")):
        return dict(output)
    # Imported late: only binary tensors need it, and numpy takes as long as everything else.
    from serval.models.tensor import Tensor
    from serval.rollouts.golden.requests import list_elements

    datatype = "FP32" if output["datatype"] == "BF16" else output["datatype"]
    try:
        elements = list_elements(Tensor(output["name"], datatype, output["data"]))
    except UnicodeDecodeError:
        return {**output, "data": None}
    return {**output, "data": elements}
