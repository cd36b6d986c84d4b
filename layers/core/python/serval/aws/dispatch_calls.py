"""Asking for a SageMaker fleet's requests to be handed to its endpoint, by one ``dispatch``."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from serval.fleets.endpoints.dispatch import Duty

if TYPE_CHECKING:
    from mypy_boto3_lambda.client import LambdaClient


@dataclass(frozen=True, slots=True)
class DispatchCalls:
    """``Dispatcher`` by asynchronous invocations, which Lambda keeps and tries again.

    One is made only while no dispatch is on duty.
    """

    client: "LambdaClient"
    function: str
    duty: Duty

    def ask(self, fleet: str, *, recount: bool = False) -> None:
        """Have it hand over what fits, soon; ``recount``: look first what the endpoint holds."""
        token = self.duty.call(fleet, recount=recount)
        if token is not None:
            self.client.invoke(
                FunctionName=self.function,
                InvocationType="Event",
                Payload=json.dumps({"fleet": fleet, "token": token}),
            )
