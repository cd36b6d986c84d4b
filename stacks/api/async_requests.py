"""Functions that submit, show and cancel async requests, or wait for one."""

from collections.abc import Mapping, Sequence

from aws_cdk import Duration
from constructs import Construct

from serval.requests.settings import (
    RequestsSettings,
    SubmitSettings,
    WaitSettings,
    light_upload_bytes,
)
from stacks.api.http_api import ServalHttpApi
from stacks.api.inference import model_routes
from stacks.api.streams import Streams
from stacks.fleets.control import FleetControl
from stacks.fleets.rights import FleetRights
from stacks.stage.layers import Layers
from stacks.stage.serval_function import ServalFunction
from stacks.stage.stage import Stage
from stacks.storage.storage_stack import StorageStack

TIMEOUT = Duration.seconds(29)
"""The HTTP API gives up after 30 s."""
SUBMIT = (
    "POST /async/models/{model}/infer",
    "POST /async/models/{model}/versions/{version}/infer",
    "POST /async/models/{model}/uploads",
    "POST /async/models/{model}/versions/{version}/uploads",
    "PUT /async/requests/{id}",
    "POST /async/requests/{id}/retry",
    "POST /endpoints/{model}/async-invocations",
)
REQUESTS = (
    "GET /async/requests",
    "GET /async/requests/{id}",
    "GET /async/requests/{id}/events",
    "DELETE /async/requests/{id}",
)


class AsyncRequests(Construct):
    """The functions ``submit``, ``requests`` and ``wait``, and their routes."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        stage: Stage,
        layers: Layers,
        storage: StorageStack,
        api: ServalHttpApi,
        rights: FleetRights,
        control: FleetControl,
        streams: Streams,
        answer_memory_mib: int,
    ) -> None:
        super().__init__(scope, id_)
        self._stage, self._layers, self._storage = stage, layers, storage
        self._rights, self._control = rights, control
        waiting = {"waiting_places": stage.concurrency.waiting}
        upload = {"light_upload_bytes": light_upload_bytes(answer_memory_mib)}
        waking = {**self._settings, **control.settings, **waiting, **upload}
        callback_local = int(stage.callback_local)
        self.submit = self._submit(
            SubmitSettings.environment(callback_local=callback_local, **waking)
        )
        self.requests = self._requests(
            RequestsSettings.environment(
                streams_table=storage.streams.table.table_name,
                stream_url=streams.url.url,
                **self._settings,
                **waiting,
            )
        )
        waits = {**waking, "streams_table": storage.streams.table.table_name}
        self.wait = self._wait(WaitSettings.environment(stream_url=streams.url.url, **waking))
        if rights.fleets.models:
            streams.answer_for_fleets(WaitSettings.environment(**waits))
            self._allow_to_make_requests(streams)
        api.route(self.submit, *SUBMIT)
        api.route(self.requests, *REQUESTS)
        routes = [key for model in rights.fleets.models for key in model_routes(model)]
        api.route(self.wait, *routes)

    @property
    def functions(self) -> Sequence[ServalFunction]:
        """Every function of this construct."""
        return [self.submit, self.requests, self.wait]

    @property
    def _settings(self) -> Mapping[str, str]:
        return {
            "stage": self._stage.name,
            "registry_table": self._storage.registry.table.table_name,
            "requests_table": self._storage.requests.table.table_name,
            "data_bucket": self._storage.data.bucket_name,
            "authentication": self._stage.authorization.authentication,
        }

    def _submit(self, settings: Mapping[str, str]) -> ServalFunction:
        function = self._function("submit", "inference", settings, memory_mib=1024)
        self._allow_to_make_requests(function)
        self._rights.grant_send_light(function)
        self._storage.registry.grant_list_models(function)
        self._storage.requests.grant_work(function)
        return function

    def _requests(self, settings: Mapping[str, str]) -> ServalFunction:
        function = self._function("requests", "control", settings, memory_mib=512)
        self._storage.registry.grant_admit(function)
        self._storage.registry.grant_issue(function)
        self._storage.registry.grant_list_models(function)
        self._storage.requests.grant_work(function)
        self._storage.requests.grant_list(function)
        self._storage.streams.grant_read(function)
        self._storage.registry.grant_places(function)
        self._storage.data.grant_results(function)
        self._rights.grant_call_back(function)
        return function

    def _wait(self, settings: Mapping[str, str]) -> ServalFunction:
        """Declare the function that waits, with little memory since idle time is billed."""
        function = self._function("wait", "inference", settings, memory_mib=256)
        self._allow_to_make_requests(function)
        self._rights.grant_send_light(function)
        self._storage.registry.grant_issue(function)
        self._storage.requests.grant_read(function)
        return function

    def _allow_to_make_requests(self, function: ServalFunction) -> None:
        self._storage.registry.grant_admit(function)
        self._storage.registry.grant_count(function)
        self._storage.registry.grant_places(function)
        self._storage.requests.grant_create(function)
        self._storage.data.grant_requests(function)
        self._storage.data.grant_results(function)
        self._rights.grant_send(function)
        self._control.allow_to_wake(function)

    def _function(
        self, name: str, layer: str, settings: Mapping[str, str], *, memory_mib: int
    ) -> ServalFunction:
        return ServalFunction(
            self,
            name,
            stage=self._stage,
            function=name,
            layers=self._layers.of("core", "sdk", layer),
            settings=settings,
            memory_mib=memory_mib,
            timeout=TIMEOUT,
        )
