"""A Lambda function: a use case, how an event asks for it, and what the log learns of it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from serval.bootstrap.log import print_line

UseCase = TypeVar("UseCase")
Facts = Callable[[Any, Any], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class LambdaFunction(Generic[UseCase]):
    """What a handler calls."""

    name: str
    use_case: UseCase
    call: Callable[[UseCase, Any, Any], Any]
    """Calls the use case with what it needs of an event and a context."""
    facts: Facts | None = lambda event, outcome: {"outcome": outcome}
    """What the log line of an event and its outcome holds; None: there is no such line."""
    log: Callable[[str], object] = print_line

    def handle(self, event: Any, context: Any) -> Any:
        """Answer an event, and log the outcome."""
        outcome = self.call(self.use_case, event, context)
        if self.facts is not None:
            about = {"function": self.name, "request": context.aws_request_id}
            line = {"level": "INFO", **about, **self.facts(event, outcome)}
            self.log(json.dumps(line, default=str))
        return outcome


def http_function(name: str, endpoint: Any) -> LambdaFunction[Any]:
    """Build the function of an HTTP endpoint, which logs errors itself, and nothing else."""
    return LambdaFunction(name, endpoint, _reply, facts=None)


def _reply(endpoint: Any, event: Any, context: Any) -> Any:
    return endpoint.reply(event)
