"""The functions that control SageMaker fleets: one sends requests, one collects results."""

from collections.abc import Mapping, Sequence

from aws_cdk import Duration
from aws_cdk.aws_kms import Alias
from aws_cdk.aws_sns import Topic
from aws_cdk.aws_sns_subscriptions import LambdaSubscription
from constructs import Construct

from serval.fleets.settings import CompleteSettings, DispatchSettings
from stacks.fleets.rights import FleetRights
from stacks.fleets.sagemaker.topics import OUTCOMES, Outcome, topic_name
from stacks.stage.acknowledgements import acknowledge
from stacks.stage.grants import Granted
from stacks.stage.layers import Layers
from stacks.stage.serval_function import ServalFunction
from stacks.stage.stage import Stage
from stacks.storage.storage_stack import StorageStack

MEMORY_MIB = 512
ASKED_AGAIN = "the tick asks again every minute while requests are open"
FOUND_AGAIN = "the sweep finds what an endpoint has written even if its notice is lost"


class EndpointControl(Construct):
    """The functions ``dispatch`` and ``complete``, and the topics of endpoints' notices."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        stage: Stage,
        layers: Layers,
        storage: StorageStack,
        rights: FleetRights,
    ) -> None:
        super().__init__(scope, id_)
        self._stage, self._layers, self._storage = stage, layers, storage
        self._rights = rights
        self._fleets = rights.of_kind("sagemaker")
        self.dispatch = self._dispatch()
        self.complete = self._complete()
        if self._fleets:
            for outcome in OUTCOMES:
                self._topic(outcome)

    @property
    def functions(self) -> Sequence[ServalFunction]:
        """Every function of this construct."""
        return [self.dispatch, self.complete]

    @property
    def settings(self) -> Mapping[str, str]:
        """Settings of every function that changes fleets."""
        return {
            **self._settings,
            "dispatch_function": self.dispatch.function.function_name if self._fleets else "",
        }

    def grant_ask(self, granted: Granted) -> None:
        """Grant asking for requests to be sent to endpoints."""
        if self._fleets:
            granted.allow(["lambda:InvokeFunction"], [self.dispatch.function.function_arn])

    def allow_to_complete(self, function: ServalFunction) -> None:
        """Let a function close the rows of requests that endpoints have finished."""
        self._storage.requests.grant_change(function)
        self._storage.data.grant_outputs(function)
        self._storage.registry.grant_routes(function)
        self._rights.grant_rows(function)
        self._rights.grant_end(function, *self._fleets)
        self._rights.grant_call_back(function)
        self.grant_ask(function)

    @property
    def _settings(self) -> Mapping[str, str]:
        return {
            "stage": self._stage.name,
            "registry_table": self._storage.registry.table.table_name,
            "fleets": self._rights.fleets.to_text(),
            "machines": "ecs" if self._stage.fleet_machines else "rows",
        }

    def _dispatch(self) -> ServalFunction:
        settings = DispatchSettings.environment(**self._storage_settings, **self._settings)
        function = self._function("dispatch", settings, ASKED_AGAIN)
        self._storage.requests.grant_work(function)
        self._storage.registry.grant_routes(function)
        self._rights.grant_rows(function)
        self._rights.grant_take(function, *self._fleets)
        self._rights.grant_end(function, *self._fleets)
        self._rights.grant_endpoints(function)
        self._rights.grant_call_back(function)
        return function

    def _complete(self) -> ServalFunction:
        settings = CompleteSettings.environment(**self._storage_settings, **self.settings)
        function = self._function("complete", settings, FOUND_AGAIN)
        self.allow_to_complete(function)
        return function

    @property
    def _storage_settings(self) -> Mapping[str, str]:
        return {
            "requests_table": self._storage.requests.table.table_name,
            "data_bucket": self._storage.data.bucket_name,
        }

    def _topic(self, outcome: Outcome) -> None:
        """Declare the topic of endpoints' notices, encrypted with SNS's own free key."""
        topic = Topic(
            self,
            outcome.capitalize(),
            topic_name=topic_name(self._stage, outcome),
            master_key=Alias.from_alias_name(self, f"{outcome}-key", "alias/aws/sns"),
            enforce_ssl=True,
        )
        topic.add_subscription(LambdaSubscription(self.complete.function))
        acknowledge(self.complete, {"Serverless-SNSRedrivePolicy": FOUND_AGAIN})

    def _function(self, name: str, settings: Mapping[str, str], lost: str) -> ServalFunction:
        return ServalFunction(
            self,
            name,
            stage=self._stage,
            function=name,
            layers=self._layers.of("core", "sdk", "control"),
            settings=settings,
            memory_mib=MEMORY_MIB,
            timeout=Duration.minutes(1),
            no_dead_letters=lost,
        )
