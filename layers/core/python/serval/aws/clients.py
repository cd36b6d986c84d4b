"""Clients of AWS that are made when they are first used."""

from dataclasses import dataclass, field
from typing import Any

import boto3


@dataclass(slots=True)
class LazyClient:
    """A client of boto3 that is made when it is first used, since that takes tens of milliseconds.

    A submit needs ECS, EventBridge and Lambda only when its fleet sleeps.
    """

    service: Any
    region: str
    _made: Any = field(default=None)

    def __getattr__(self, name: str) -> Any:
        """Return a member of the client, which is made now if it is not there."""
        if self._made is None:
            self._made = boto3.client(self.service, self.region)
        return getattr(self._made, name)
