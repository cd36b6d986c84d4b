"""The AWS account that a stage is deployed to, as far as a plan needs it."""

from collections.abc import Mapping
from typing import Protocol

Outputs = Mapping[str, str]


class NotAnswered(Exception):
    """AWS did not answer a question; the message has the reason and the remedy."""


class Account(Protocol):
    """An account and region; its methods raise ``NotAnswered``."""

    @property
    def region(self) -> str | None:
        """The region; None if none is set."""

    def number(self) -> str:
        """Return the account's number."""

    def bootstrap_version(self) -> int | None:
        """Return the version of CDK's bootstrap stack; None if there is none."""

    def concurrency(self) -> int:
        """Return how many invocations Lambda runs at once."""

    def quotas(self, service: str) -> Mapping[str, float]:
        """Return the quotas of a service by their names."""

    def outputs(self, stack: str) -> Outputs | None:
        """Return the outputs of a deployed stack; None if there is none."""
