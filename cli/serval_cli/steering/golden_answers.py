"""Golden requests that a live model answers, or the graph of a bundle on this machine."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from serval.batch.input.columns import ColumnChoice
from serval.bundles.bundle import MODEL_YAML, Bundle, read_bundle
from serval.client import Client
from serval.client.task_bodies import JSON
from serval.handlers.signature import HANDLER_SIGNATURE
from serval.models.signature import Signature
from serval.rollouts.golden.requests import write_line
from serval_cli.api.calls import guessing
from serval_cli.api.task_input import TaskBody
from serval_cli.api.tensor_call import call
from serval_cli.bundle.golden_words import (
    expected_answer,
    handler_body,
    request_of,
    write_words,
)
from serval_cli.bundle.samples.files import read_sample
from serval_cli.failures import CommandFailed
from serval_cli.steering.task_answers import call_task, task_of


@dataclass(frozen=True, slots=True)
class GoldenInput:
    """What a golden request is made of."""

    given: str
    """A text, a file's path or JSON, whichever the model takes."""
    parameters: Mapping[str, Any]
    columns: ColumnChoice

    def tensors(self, signature: Signature) -> Any:
        """Read the inputs of a model that takes tensors."""
        self.refuse_parameters()
        return read_sample(Path(self.given), signature, self.columns)

    def refuse_parameters(self) -> None:
        """Refuse parameters of a model without a task."""
        if self.parameters:
            raise CommandFailed("--parameter is for models with a task, and this one has none")


@dataclass(frozen=True, slots=True)
class GoldenLine:
    """A line, and the version that answered; None for the graph of the bundle."""

    text: str
    version: str | None


def ask_stage(client: Client, model: str, version: str | None, asked: GoldenInput) -> GoldenLine:
    """Ask the live model, in the words of its task or handler if it has one."""
    with guessing(client, model):
        metadata = client.describe(model, version)
    signature, task = Signature.from_json(metadata), task_of(metadata)
    if task is not None:
        request = request_of(task, asked.given, asked.parameters)
        reply = call_task(client, model, version, json_body(request))
        answer = expected_answer(reply.content_type, reply.content)
        line = write_words({"request": request, "answer": answer})
        return GoldenLine(line, reply.version or None)
    if signature == HANDLER_SIGNATURE:
        asked.refuse_parameters()
        body = handler_body(asked.given)
        reply = call_task(client, model, version, json_body(body))
        if "json" not in reply.content_type:
            raise CommandFailed(
                f"{model!r} answered with {reply.content_type}: a golden request compares JSON"
            )
        line = write_words({"body": body, "answer": reply.value})
        return GoldenLine(line, reply.version or None)
    inputs = asked.tensors(signature)
    answered = call(client, model, version, inputs, signature.outputs)
    return GoldenLine(write_line(inputs, answered.outputs), answered.version)


def json_body(value: Any) -> TaskBody:
    """Return a body of JSON."""
    return TaskBody(json.dumps(value).encode(), JSON)


def ask_graph(folder: Path, asked: GoldenInput) -> GoldenLine:
    """Ask the graph of a bundle on this machine.

    Raises
    ------
    CommandFailed
        If it cannot be asked here, or does not answer.
    """
    bundle = read_bundle((folder / MODEL_YAML).read_bytes())
    artifact = folder / bundle.artifact
    if bundle.runtime.kind != "onnx" or not artifact.is_file():
        raise CommandFailed(
            f"{artifact} is no graph that this machine can ask: leave out --local, and a stage "
            "answers"
        )
    if find_spec("onnxruntime") is None:
        raise CommandFailed("--local needs onnxruntime, which answers: `pip install onnxruntime`")
    # Imported late: ONNX Runtime may not be installed where a stage answers.
    from serval_cli.bundle.golden_sample import NoSample, NotLoaded

    try:
        return GoldenLine(graph_line(folder, bundle, asked), None)
    except (NoSample, NotLoaded) as problem:
        raise CommandFailed(f"{artifact}: {problem}") from problem


def graph_line(folder: Path, bundle: Bundle, asked: GoldenInput) -> str:
    """Ask a graph, in the words of its task if it has one."""
    from serval_cli.bundle.golden_sample import golden_lines
    from serval_cli.bundle.skeleton import read_graph
    from serval_cli.bundle.task_check import task_section
    from serval_cli.bundle.task_golden import golden_line, open_bundle_task

    if bundle.task is not None:
        name = bundle.task.name
        task = open_bundle_task(folder, bundle.artifact, task_section(bundle))
        return golden_line(task, name, request_of(name, asked.given, asked.parameters))
    artifact = folder / bundle.artifact
    signature = read_graph(artifact).signature
    return golden_lines(artifact, signature, [asked.tensors(signature)])
