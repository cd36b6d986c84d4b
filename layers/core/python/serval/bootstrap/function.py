"""A Lambda function: a use case, how an event calls it, and what is logged."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from serval.bootstrap.log import print_line

UseCase = TypeVar("UseCase")
Facts = Callable[[Any, Any], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class LambdaFunction(Generic[UseCase]):
    """A use case with the reading of its events and its log line."""

    name: str
    use_case: UseCase
    call: Callable[[UseCase, Any, Any], Any]
    """Calls the use case with what an event and its context hold."""
    facts: Facts | None = lambda event, outcome: {"outcome": outcome}
    """Builds the log line of an event and its outcome; None: nothing is logged."""
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
    """Build the function of an HTTP endpoint, which logs its own errors and nothing else."""
    return LambdaFunction(name, endpoint, _reply, facts=None)


def _reply(endpoint: Any, event: Any, context: Any) -> Any:
    return endpoint.reply(event)
