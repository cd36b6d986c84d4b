"""Asking the function ``dispatch`` to hand requests to a SageMaker fleet's endpoint."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_lambda.client import LambdaClient


@dataclass(frozen=True, slots=True)
class DispatchCalls:
    """``Dispatcher`` by asynchronous invocations, which Lambda keeps and tries again."""

    client: "LambdaClient"
    function: str

    def ask(self, fleet: str, *, recount: bool = False) -> None:
        """Have it hand over what fits, soon; ``recount``: look first what the endpoint holds."""
        self.client.invoke(
            FunctionName=self.function,
            InvocationType="Event",
            Payload=json.dumps({"fleet": fleet, "recount": recount}),
        )
