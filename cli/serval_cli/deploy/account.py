"""The AWS account that a stage is deployed to: what is asked of it before anything is changed."""

from collections.abc import Mapping
from typing import Protocol

Outputs = Mapping[str, str]


class NotAnswered(Exception):
    """AWS did not say what was asked; the message says why and what to do."""


class Account(Protocol):
    """An account and region, as the credentials at hand reach it; each raises ``NotAnswered``."""

    @property
    def region(self) -> str | None:
        """The region; None where none is set."""

    def number(self) -> str:
        """Return the account's number."""

    def bootstrap_version(self) -> int | None:
        """Return the version of CDK's bootstrap stack; None if there is none."""

    def concurrency(self) -> int:
        """Return how many invocations Lambda runs at once."""

    def quotas(self, service: str) -> Mapping[str, float]:
        """Return the quotas of a service by their names."""

    def outputs(self, stack: str) -> Outputs | None:
        """Return what a deployed stack says of itself; None if it is not there."""
