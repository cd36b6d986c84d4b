"""The functions for realtime inference: a shared one, and one for each model with its own."""

import json
from collections.abc import Sequence
from pathlib import Path

from aws_cdk import Duration
from constructs import Construct

from serval.models.resource_names import inference_function_name
from serval.models.version import DEFAULT_MEMORY_MIB
from serval.settings import InferSettings, pack
from stacks.stage.deployed_models import SHARED
from stacks.stage.handler_image import HandlerImage
from stacks.stage.layers import Layers
from stacks.stage.secrets import grant_secrets
from stacks.stage.serval_function import ServalFunction, function_arn
from stacks.stage.stage import Stage
from stacks.storage.storage_stack import StorageStack

INFERENCE_LAYERS = ("core", "inference", "tasks")
EPHEMERAL_STORAGE_MIB = 2048
TIMEOUT = Duration.seconds(29)
"""The HTTP API gives up after 30 s."""


class Inference(ServalFunction):
    """``infer`` for every model, or ``infer-<model>`` for the only model it may read.

    The former hands calls of models that have their ``own`` to these, and those of models on fleets
    and of durable pipelines to ``wait``. Routes lead there for the paths that are called most,
    since a stack has 500 resources.
    """

    def __init__(
        self,
        scope: Construct,
        *,
        stage: Stage,
        layers: Layers,
        storage: StorageStack,
        model: str = SHARED,
        memory_mib: int = DEFAULT_MEMORY_MIB,
        code: Path | HandlerImage | None = None,
        own: Sequence[str] = (),
        handlers: Sequence[str] = (),
        on_fleets: Sequence[str] = (),
        wait: ServalFunction | None = None,
        stream_url: str = "",
    ) -> None:
        only = None if model == SHARED else model
        waiting = {}
        if wait is not None:
            waiting["wait_function"] = wait.function.function_name
        if on_fleets:
            waiting["fleet_models"] = pack(json.dumps(list(on_fleets)))
        keeping = {}
        if code is None:  # a handler's answers are its own, and are not kept
            keeping["answers_table"] = storage.answers.table.table_name
            keeping["data_bucket"] = storage.data.bucket_name
        super().__init__(
            scope,
            f"infer-{only}" if only else "infer",
            stage=stage,
            function="infer",
            layers=layers.of(*INFERENCE_LAYERS),
            settings=InferSettings.environment(
                registry_table=storage.registry.table.table_name,
                artifact_bucket=storage.artifacts.bucket.bucket_name,
                authentication=stage.authorization.authentication,
                ephemeral_storage_mib=EPHEMERAL_STORAGE_MIB,
                stage=stage.name,
                stream_url=stream_url,
                **keeping,
                **({"own_functions": pack(json.dumps(list(own)))} if own else {}),
                **({"handlers": pack(json.dumps(list(handlers)))} if handlers else {}),
                **waiting,
            ),
            memory_mib=memory_mib,
            timeout=TIMEOUT,
            ephemeral_storage_mib=EPHEMERAL_STORAGE_MIB,
            own_lines_alone=True,
            name=inference_function_name(stage.name, only) if only else None,
            code=code,
        )
        storage.artifacts.grant_load(self, model=only)
        storage.registry.grant_admit(self, model=only)
        if keeping:
            storage.answers.grant_keep(self, model=only)
            storage.data.grant_keep(self, model=only)
        if stream_url:
            storage.registry.grant_issue(self)
        if code is not None:
            grant_secrets(self, stage, model)
        names = [inference_function_name(stage.name, each) for each in own]
        others = [function_arn(self, name) for name in names]
        if wait is not None:
            others.append(wait.function.function_arn)
        self.allow(["lambda:InvokeFunction"], others)


def allow_to_ask(function: ServalFunction, stage: Stage, models: Sequence[str]) -> None:
    """Let a function call the functions of these models."""
    names = [inference_function_name(stage.name, model) for model in models]
    function.allow(["lambda:InvokeFunction"], [function_arn(function, name) for name in names])


def direct_routes(model: str, *, writes: bool) -> tuple[str, ...]:
    """Return the route keys that lead to a model's own function: those called most.

    A stack has 500 resources: the shared function hands over the other calls of these models. It
    also redirects those that want a stream, so a model that writes text has its own words there.
    """
    tensors = f"POST /v2/models/{model}/infer"
    return (tensors,) if writes else (tensors, f"POST /models/{model}")


def model_routes(model: str = "{model}") -> tuple[str, ...]:
    """Return the route keys of a model's tensors, and of its task or handler; by default of all."""
    return tuple(
        f"POST {path}{version}{end}"
        for path, end in ((f"/v2/models/{model}", "/infer"), (f"/models/{model}", ""))
        for version in ("", "/versions/{version}")
    )


def openai_routes() -> tuple[str, ...]:
    """Return the route keys of OpenAI's API, whose bodies name the model unless the path does."""
    return (
        "POST /v1/chat/completions",
        "POST /v1/completions",
        "POST /v1/embeddings",
        "POST /models/{model}/v1/{proxy+}",
    )


def protocol_routes() -> tuple[str, ...]:
    """Return the route keys of V1, SageMaker and MLflow, which all models share.

    API Gateway matches whole segments, so ``:predict`` is a part of the model's.
    """
    return (
        "POST /v1/models/{model}",
        "POST /endpoints/{model}/{operation}",
        "POST /mlflow/{model}/invocations",
    )
