"""Where the stage keeps secrets, for those who do without NumPy: the command line reads it too."""

from collections.abc import Collection, Mapping
from typing import Protocol


class SecretsUnavailable(Exception):
    """The store did not answer, or refused to; says why."""


class SecretStore(Protocol):
    """Where the stage keeps secrets."""

    def read(self, model: str, names: Collection[str]) -> Mapping[str, str]:
        """Return the values of a model's secrets by name, without those that are not set.

        Raises
        ------
        SecretsUnavailable
            If they cannot be read.
        """
