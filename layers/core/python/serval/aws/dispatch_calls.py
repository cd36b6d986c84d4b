"""Calls for ``dispatch``, which hands a SageMaker fleet's requests to its endpoint."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from serval.fleets.endpoints.dispatch import Duty

if TYPE_CHECKING:
    from mypy_boto3_lambda.client import LambdaClient


@dataclass(frozen=True, slots=True)
class DispatchCalls:
    """``Dispatcher`` by asynchronous invocations, which Lambda queues and retries.

    It invokes ``dispatch`` only while none is on duty.
    """

    client: "LambdaClient"
    function: str
    duty: Duty

    def ask(self, fleet: str, *, recount: bool = False) -> None:
        """Ask for a dispatch; ``recount``: it first counts what the endpoint holds."""
        token = self.duty.call(fleet, recount=recount)
        if token is not None:
            self.client.invoke(
                FunctionName=self.function,
                InvocationType="Event",
                Payload=json.dumps({"fleet": fleet, "token": token}),
            )
