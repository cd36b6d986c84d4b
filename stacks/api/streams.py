"""The function that streams, and its URL: the HTTP API passes on whole answers alone."""

import json
from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk.aws_lambda import FunctionUrl, FunctionUrlAuthType, InvokeMode
from constructs import Construct

from serval.requests.settings import RequestsSettings
from serval.settings import InferSettings, pack
from stacks.api.inference import EPHEMERAL_STORAGE_MIB, INFERENCE_LAYERS
from stacks.fleets.rights import FleetRights
from stacks.stage.layers import Layers
from stacks.stage.serval_function import ServalFunction
from stacks.stage.stage import Stage
from stacks.storage.storage_stack import StorageStack

TIMEOUT = Duration.minutes(15)
"""The most that Lambda gives: a stream takes as long as its text."""


class Streams(ServalFunction):
    """``stream`` for every model on Lambda, with as much memory as the largest of them has.

    It also follows async requests while they are written, and makes those that calls of models on
    fleets become.

    Callers come with an API key, or with a ticket that the HTTP API gave them in a redirect. So
    the URL itself lets everybody in, as the HTTP API does.
    """

    def __init__(
        self,
        scope: Construct,
        *,
        stage: Stage,
        layers: Layers,
        storage: StorageStack,
        memory_mib: int,
        rights: FleetRights,
    ) -> None:
        models = rights.fleets.models
        shared = {
            "registry_table": storage.registry.table.table_name,
            "authentication": stage.authorization.authentication,
            "stage": stage.name,
        }
        on_fleets = {"fleet_models": pack(json.dumps(list(models)))} if models else {}
        super().__init__(
            scope,
            "stream",
            stage=stage,
            function="stream",
            layers=layers.of(*INFERENCE_LAYERS, "sdk"),
            settings={
                **InferSettings.environment(
                    **shared,
                    artifact_bucket=storage.artifacts.bucket.bucket_name,
                    ephemeral_storage_mib=EPHEMERAL_STORAGE_MIB,
                    **on_fleets,
                ),
                **RequestsSettings.environment(
                    **shared,
                    requests_table=storage.requests.table.table_name,
                    data_bucket=storage.data.bucket_name,
                    streams_table=storage.streams.table.table_name,
                    waiting_places=0,
                ),
            },
            memory_mib=memory_mib,
            timeout=TIMEOUT,
            ephemeral_storage_mib=EPHEMERAL_STORAGE_MIB,
            own_lines_alone=True,
        )
        storage.artifacts.grant_load(self)
        storage.registry.grant_admit(self)
        storage.registry.grant_redeem(self)
        storage.registry.grant_list_models(self)
        storage.requests.grant_change(self)
        storage.streams.grant_read(self)
        rights.grant_call_back(self)
        self.url: FunctionUrl = self.function.add_function_url(
            auth_type=FunctionUrlAuthType.NONE, invoke_mode=InvokeMode.RESPONSE_STREAM
        )

    def answer_for_fleets(self, settings: Mapping[str, str]) -> None:
        """Let it answer for models on fleets, given the settings of who submits their requests."""
        for name, value in settings.items():
            self.function.add_environment(name, value)
