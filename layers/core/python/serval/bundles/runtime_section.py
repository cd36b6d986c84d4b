"""``runtime:`` of ``model.yaml``: what executes the artifact."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from serval.models.server_declaration import ONE_MODEL, SERVED, holding_of
from serval.models.version import BODY_PROTOCOLS
from serval.yaml_files import Matching, Section

ImageUri = Annotated[
    str,
    Field(max_length=512),
    Matching(
        re.compile(r"[a-z0-9]([\w.:@-]*\w)?(/\w([\w.:@-]*\w)?)*"),
        "the URI of an image, as 'registry/name:tag'",
    ),
]
Command = Annotated[str, Field(min_length=1, max_length=4096)]
UrlPath = Annotated[
    str, Matching(re.compile(r"/[!-~]{0,1023}"), "a path that begins with '/', as '/predictions'")
]
SPOKEN = {"triton": "v2", **dict.fromkeys(sorted(ONE_MODEL), "openai")}
"""Server → the protocol that it speaks: vLLM's is OpenAI's."""
OF_CONTAINERS = ("image", "command", "local_command", "ready", "path")


class Runtime(Section):
    """What executes the artifact."""

    kind: Literal["onnx", "http", "container", "python"] = "onnx"
    """``onnx``: ONNX Runtime; ``http``: an inference server beside the worker, on a fleet;
    ``container``: the same in an image of yours; ``python``: the bundle's own ``handler.py`` or
    ``code/inference.py``."""
    protocol: Literal["v2", "openai", "sagemaker", "http"] = "v2"
    """The server's protocol: the Open Inference Protocol V2, or OpenAI's completions. A container
    may also take any body: by SageMaker's contract, or by ``http`` at ``path``."""
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    """The server's port on the worker's machine."""
    server: Literal["triton", "lmi", "neuron"] | None = None
    """The container beside the worker, from stacks/fleets/server_images.json."""
    model: Annotated[str, Field(min_length=1)] | None = None
    """The server's name for the model, by default the bundle's."""
    image: ImageUri | None = None
    """Only for a container: its image, which a deploy starts beside the worker."""
    command: Command | None = None
    """Only for a container: a line of shell that starts a process with one version, which finds
    its port in ``PORT`` and the version's files in ``MODEL_FOLDER``. Without it the image starts
    as it is, on ``port``, and brings its model."""
    local_command: Command | None = None
    """Only for a container: the same on the laptop, where no image is run."""
    ready: UrlPath | None = None
    """Only for a container that takes bodies: the path that answers 200 once it is ready; by
    default ``/ping`` for SageMaker's contract, else ``/``."""
    path: UrlPath | None = None
    """Only for ``protocol: http``: the path that bodies are posted to, by default ``/``."""
    start_seconds: Annotated[int, Field(ge=1, le=3600)] = 600
    """How long the server may take to be ready."""
    processes: Annotated[int, Field(ge=1, le=2)] = 1
    """Processes of a server of one version that fit beside each other on a machine: with 2, both
    versions of a rollout answer at once; with 1, the new one takes the old one's place."""


def runtime_mistake(
    runtime: Runtime, *, has_signature: bool, on_fleet: bool, has_task: bool
) -> str | None:
    """Return the first thing that does not go with the rest of a bundle, if any."""
    mistakes = (
        *_signature_mistakes(runtime, has_signature=has_signature),
        *_container_mistakes(runtime),
        *_server_mistakes(runtime),
        *_process_mistakes(runtime),
    )
    if has_task and runtime.kind != "onnx":
        return f"'task' is for ONNX graphs, not 'runtime: {runtime.kind}'"
    if runtime.kind in SERVED and not on_fleet:
        return f"'runtime: {{kind: {runtime.kind}}}' needs 'compute: {{target: fleet}}'"
    return next(iter(mistakes), None)


def _signature_mistakes(runtime: Runtime, *, has_signature: bool) -> Iterator[str]:
    of_tensors = runtime.kind in SERVED and runtime.protocol not in BODY_PROTOCOLS
    if has_signature and not of_tensors:
        yield (
            "'signature' is read from the ONNX graph, and bodies have none; it is for 'runtime: "
            "http' and containers that take tensors"
        )
    if of_tensors and not has_signature:
        yield f"'runtime: {{kind: {runtime.kind}}}' needs 'signature': inputs and outputs"


def _container_mistakes(runtime: Runtime) -> Iterator[str]:
    is_container, bodies = runtime.kind == "container", runtime.protocol in BODY_PROTOCOLS
    if is_container and runtime.image is None:
        yield "'runtime: {kind: container}' needs 'image': the URI of one"
    if is_container and runtime.server is not None:
        yield f"'runtime.server: {runtime.server}' is for 'kind: http'; a container has its 'image'"
    given = [name for name in OF_CONTAINERS if getattr(runtime, name) is not None]
    if given and not is_container:
        yield f"'runtime.{given[0]}' is for 'kind: container'"
    if bodies and not is_container:
        yield f"'runtime.protocol: {runtime.protocol}' is for 'kind: container'"
    if runtime.ready is not None and not bodies:
        yield f"'runtime.ready' is for servers of bodies; {runtime.protocol!r} has its own path"
    if runtime.path is not None and runtime.protocol != "http":
        yield "'runtime.path' is for 'protocol: http'"


def _server_mistakes(runtime: Runtime) -> Iterator[str]:
    spoken = SPOKEN.get(runtime.server or "", runtime.protocol)
    if runtime.kind == "http" and runtime.protocol != spoken:
        yield (
            f"'runtime.protocol: {runtime.protocol}' given, {spoken!r} expected, the only one of "
            f"'server: {runtime.server}'"
        )


def _process_mistakes(runtime: Runtime) -> Iterator[str]:
    if runtime.processes > 1 and holding_of(runtime.model_dump()) != "restarts":
        yield (
            "'runtime.processes' is for servers whose process holds one version: 'server: lmi', "
            "'server: neuron', or a container with 'command'"
        )
    if runtime.processes > 1 and runtime.protocol == "sagemaker":
        yield "'runtime.processes': SageMaker's contract has one place for a model, /opt/ml/model"
